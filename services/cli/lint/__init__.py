"""`nadroute lint` and `nadroute rule`."""
