"""The benchmark's own parts: a table that lies would be worse than none."""
