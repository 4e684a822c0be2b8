"""Network faults that must not mislead a prober; each test is named after its row, N1 to N18."""
