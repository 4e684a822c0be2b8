"""A bulk transfer over TCP, of a size that is given: `python -m bench.bulk receive|send ADDRESS MIB`.

The receiver prints the seconds and its CPU seconds as one line of JSON, and the address that it listens on
before that as a line of its own.
"""

import json
import socket
import sys
import time
from resource import RUSAGE_SELF, getrusage

PORT = 5201
_CHUNK = 1 << 18
_WAIT_S = 30.0


def receive(address: str, bytes_wanted: int) -> None:
    """Take one connection, and measure from its first byte to its last."""
    with socket.create_server((address, PORT)) as server:
        server.settimeout(_WAIT_S)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        connection, _ = server.accept()
    buffer = bytearray(_CHUNK)
    with connection:
        connection.settimeout(_WAIT_S)
        received = connection.recv_into(buffer)
        began = time.monotonic()
        while received < bytes_wanted:
            taken = connection.recv_into(buffer)
            if not taken:
                sys.exit(f"received {received} bytes, expected {bytes_wanted}")
            received += taken
        seconds = time.monotonic() - began
    usage = getrusage(RUSAGE_SELF)
    sys.stdout.write(json.dumps({"seconds": seconds, "cpu_s": usage.ru_utime + usage.ru_stime}) + "\n")


def send(address: str, bytes_wanted: int) -> None:
    """Send so many bytes."""
    chunk = bytes(_CHUNK)
    with socket.create_connection((address, PORT), timeout=_WAIT_S) as connection:
        for _ in range(bytes_wanted // _CHUNK):
            connection.sendall(chunk)


if __name__ == "__main__":
    {"receive": receive, "send": send}[sys.argv[1]](sys.argv[2], int(sys.argv[3]) << 20)
