"""A simulated data centre in network namespaces, and a small Kubernetes API server, for demo and tests."""
