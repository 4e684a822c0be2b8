"""Finds the fewest causes that explain what all hosts found on all networks. Pure."""
