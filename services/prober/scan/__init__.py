"""Scans of an interface's VLANs from the command line, with recording of frames."""
