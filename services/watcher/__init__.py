"""Knows what should be probed, by whom and when, and asks for it."""
