"""What a service tells of itself: metrics, health and readiness, on one small port."""
