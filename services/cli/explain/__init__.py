"""`nadroute explain`."""
