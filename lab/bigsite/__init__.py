"""A site with thousands of VLANs and real servers on one trunk, for benchmarks; without faults."""
