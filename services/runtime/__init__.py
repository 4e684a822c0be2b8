"""What every process needs: clock, logs, signals, settings, Redis, Celery, health and metrics."""
