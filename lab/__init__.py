"""A data-centre in network namespaces and a small Kubernetes API, to demonstrate and to test against."""
