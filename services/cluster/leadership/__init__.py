"""Which of several processes leads, by a Lease."""
