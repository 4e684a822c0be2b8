"""Writing what was decided: which network is next, one guarded patch, and telling of it."""
