"""`nadroute probe`."""
