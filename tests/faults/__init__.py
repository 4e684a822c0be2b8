"""The faults that must not fool a prober: each test is named after its row, N1 to N18."""
