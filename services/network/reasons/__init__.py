"""For each reason code: its meaning and what to do about it."""
