"""Running nadroute on one machine: services, Flower, Redis and the demo."""
