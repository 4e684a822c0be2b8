"""From verdicts to the state of a network."""
