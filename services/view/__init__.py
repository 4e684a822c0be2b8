"""What status, explain and hosts show, without a terminal."""
