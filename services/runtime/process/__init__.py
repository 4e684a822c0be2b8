"""What any process needs: clock, logs, signals, threads that repeat, secrets from files."""
