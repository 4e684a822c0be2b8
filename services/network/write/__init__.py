"""From a conclusion to annotations."""
