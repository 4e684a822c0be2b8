"""Planning: which probes are due, on which host, and when."""
