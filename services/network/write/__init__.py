"""From a state to the annotations that say so."""
