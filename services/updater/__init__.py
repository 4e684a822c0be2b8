"""Keeps what the hosts found, reduces it to a state, and writes that back."""
