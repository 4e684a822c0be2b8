"""Mixed faults on real processes, and a judge of every write that follows from them."""
