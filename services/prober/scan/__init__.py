"""A scan of many VLANs by hand, without Redis and Kubernetes, with evidence."""
