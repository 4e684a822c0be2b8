"""Decides what is probed, by which host and when, and sends the requests."""
