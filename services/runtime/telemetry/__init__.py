"""What a process says of itself by HTTP: health, readiness, progress and metrics."""
