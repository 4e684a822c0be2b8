"""Repeated scans on a host of the lab, for the tests of leases."""

import argparse
import json
import signal
import sys

from services.contract.outcomes import Depth
from services.prober.engine.settings import EngineSettings
from services.prober.scan.scanning import scan
from services.view.probe_documents import scanned_document

QUICK = EngineSettings(offer_window_s=0.02, conflict_interval_s=0.05)


def main() -> None:
    """Scan `times` times, alternating between the depths; print the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("interface")
    parser.add_argument("vlans", type=lambda text: [int(vlan) for vlan in text.split(",")])
    parser.add_argument("--depth", type=Depth, action="append", required=True)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--deadline", type=float, default=12.0)
    parser.add_argument("--host", default="node1", help="whose identity to take")
    parser.add_argument("--held", action="store_true", help="say when the first address is held, and hold it")
    arguments = parser.parse_args()
    settings = QUICK
    if arguments.held:
        # A window that never closes in the test: the signal comes first.
        settings = EngineSettings(offer_window_s=0.02, conflict_interval_s=0.05, reach_wait_s=60.0)
    # A shell without job control starts its children with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rounds = []
    for turn in range(arguments.times):
        results = scan(
            arguments.interface,
            arguments.vlans,
            depth=arguments.depth[turn % len(arguments.depth)],
            deadline_s=arguments.deadline,
            host=arguments.host,
            settings=settings,
        )
        rounds.append([scanned_document(result) | {"offered": _offered(result)} for result in results])
    sys.stdout.write(json.dumps(rounds) + "\n")


def _offered(result: object) -> list[str]:
    dhcp = getattr(result, "dhcp", None)
    return [] if dhcp is None else [str(offer.address) for offer in dhcp.servers]


if __name__ == "__main__":
    main()
