"""Stores the hosts' verdicts, reduces them to a state per network, and writes it back."""
