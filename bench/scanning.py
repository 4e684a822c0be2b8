"""Running `nadroute scan` as a user does, and measuring it: `python -m bench.scanning SCAN-OPTIONS`.

Prints the command's output, then one line of JSON with the CPU from the start of the interpreter to the first
frame.
"""

import json
import sys
import time
from collections.abc import Sequence

from services.cli.main import main as nadroute
from services.prober.sockets.packet_link import PacketLink


def main(arguments: Sequence[str]) -> None:
    """Run `nadroute scan` with these arguments; exit as it does."""
    first_frame_s: list[float] = []
    send = PacketLink.send

    def send_noting_time(link: PacketLink, frames: Sequence[bytes]) -> int:
        sent = send(link, frames)
        if not first_frame_s:
            # Of the process since it began, imports included.
            first_frame_s.append(time.process_time())
        return sent

    PacketLink.send = send_noting_time  # type: ignore[method-assign, assignment]
    sys.argv[:] = ["nadroute", "scan", *arguments]
    try:
        nadroute()
    finally:
        print(json.dumps({"first_frame_s": first_frame_s[0] if first_frame_s else None}))


if __name__ == "__main__":
    main(sys.argv[1:])
