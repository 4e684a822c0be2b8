"""The engine's thread: moves frames between the engine and the sockets, and tells the engine the time."""
