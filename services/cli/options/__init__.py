"""Command-line options, made from the settings classes."""
