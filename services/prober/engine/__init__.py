"""The protocol logic of a probe, without sockets, clocks or threads."""
