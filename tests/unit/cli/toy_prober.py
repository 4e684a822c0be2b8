"""A prober without a network: `python -m tests.unit.cli.toy_prober URL HOST [SILENT_VLAN…]`.

A real Celery worker on the host's queue; gateways answer on every VLAN but the silent ones.
"""

import sys

from services.contract.messages import ProbeRequest, Segment
from services.contract.names import PROBE_TASK, probe_queue, worker_name
from services.contract.outcomes import DHCPOutcome, ReachOutcome
from services.runtime.queues.celery_app import consume_only, make_app
from tests.unit.network.builders import dhcp, offer, verdict


def answer(request: object, *, host: str, silent_vlans: frozenset[int]) -> list[object]:
    """Verdicts on what is asked, as they cross the queue."""
    asked = ProbeRequest.from_wire(request)
    verdicts: list[object] = []
    for each in asked.segments:
        is_silent = each.vlan in silent_vlans
        outcome = ReachOutcome.SILENT if is_silent else ReachOutcome.REACHABLE
        finding = dhcp(outcome=DHCPOutcome.NO_OFFER) if is_silent else dhcp(offer())
        found = verdict(
            each.targets[0].digest,
            host=host,
            vlan=outcome,
            routed=outcome,
            dhcp=finding if each.ask_dhcp else None,
            segment=Segment(cluster_network=asked.cluster_network, vlan=each.vlan),
        )
        verdicts.append(found.to_wire())
    return verdicts


def main(url: str, host: str, *silent: str) -> None:
    """Work until SIGTERM."""
    app = make_app(url, unacked_scope=host)
    consume_only(app, probe_queue(host))

    @app.task(name=PROBE_TASK)  # type: ignore[untyped-decorator]
    def probe(request: object) -> list[object]:
        return answer(request, host=host, silent_vlans=frozenset(map(int, silent)))

    app.Worker(
        hostname=worker_name("prober", host),
        pool="threads",
        concurrency=2,
        without_gossip=True,
        without_mingle=True,
        task_events=True,
        quiet=True,
    ).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
