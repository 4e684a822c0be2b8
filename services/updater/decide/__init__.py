"""From a network and its verdicts to the record of it and the change that is due."""
