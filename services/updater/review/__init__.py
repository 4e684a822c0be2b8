"""What was touched or is due, and the rounds that look at it."""
