"""The way to Redis: address, users, TLS, what it refuses, and whether it answers."""
