"""The thread that gives the engine frames, time and sockets."""
