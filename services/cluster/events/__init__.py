"""Events of Kubernetes: what they say, how many there may be, and posting them behind the writes."""
