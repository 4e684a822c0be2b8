"""`nadroute scan`."""
