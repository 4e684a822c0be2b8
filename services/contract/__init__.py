"""What crosses a queue between the services, and nothing else."""
