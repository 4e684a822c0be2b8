"""What status, diff, explain and hosts show, without a terminal."""
