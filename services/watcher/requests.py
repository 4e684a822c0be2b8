"""Grouping due probes into requests, and sending them to the hosts' queues."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import redis
from celery import Celery
from celery.result import AsyncResult
from kombu.exceptions import BatchPublishError, OperationalError

from services.contract.errors import NadrouteError
from services.contract.messages import ProbeRequest, SegmentProbe
from services.contract.names import PROBE_TASK, probe_queue
from services.runtime.queues.celery_app import describe_probe, to_host
from services.watcher.plan.host_probe import HostProbe

SEGMENTS_IN_A_REQUEST = 128
TARGETS_IN_A_REQUEST = 4_000
"""So that it stays below envelopes.MAX_SENT_BYTES: a target has at most 120 bytes."""
VLANS_SHOWN = 40

RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}
"""One retry, for a connection broken by a restart of Redis; after that, the schedule tries again."""


class NotSent(NadrouteError):
    """Redis was unreachable or refused: some requests may have been sent, none can be relied on."""


@dataclass(frozen=True)
class Sent:
    """A sent request. result: where its verdicts come back, for a caller that waits."""

    request: ProbeRequest
    result: AsyncResult


def build_requests(
    probes: Iterable[HostProbe], *, sent_at_ms: int, max_age_ms: int, new_id: Callable[[], str]
) -> list[ProbeRequest]:
    """Build one request per host and cluster network, or several where it would be too large.

    The last of several probes of one segment on one host wins.
    """
    grouped: dict[tuple[str, str], dict[int, SegmentProbe]] = {}
    for probe in probes:
        group = grouped.setdefault((probe.host, probe.segment.cluster_network), {})
        group[probe.segment.vlan] = probe.sent
    requests = []
    for (host, cluster_network), by_vlan in sorted(grouped.items()):
        ordered = (by_vlan[vlan] for vlan in sorted(by_vlan))
        requests += [
            ProbeRequest(
                id=new_id(),
                host=host,
                cluster_network=cluster_network,
                sent_at_ms=sent_at_ms,
                max_age_ms=max_age_ms,
                segments=segments,
            )
            for segments in _parts(ordered)
        ]
    return requests


def _parts(probes: Iterable[SegmentProbe]) -> Iterator[tuple[SegmentProbe, ...]]:
    """Divide the probes of one host so that no request is too large."""
    part: list[SegmentProbe] = []
    targets = 0
    for probe in probes:
        targets += len(probe.targets)
        if part and (len(part) == SEGMENTS_IN_A_REQUEST or targets > TARGETS_IN_A_REQUEST):
            yield tuple(part)
            part, targets = [], len(probe.targets)
        part.append(probe)
    if part:
        yield tuple(part)


def send_requests(app: Celery, requests: Sequence[ProbeRequest], *, wait: bool = False) -> list[Sent]:
    """Send requests to their hosts' queues, pipelined; raise NotSent.

    wait: keep the results; each must be fetched or forgotten.
    """
    sent = []
    try:
        with app.producer_pool.acquire(block=True) as producer, producer.batch():
            for request in requests:
                result = app.send_task(
                    PROBE_TASK,
                    kwargs={"request": request.to_wire()},
                    **to_host(probe_queue(request.host), within_s=request.max_age_ms / 1000),
                    shadow=describe_probe(request.cluster_network, len(request.segments), request.host),
                    argsrepr="()",
                    kwargsrepr=_describe_segments(request.segments),
                    ignore_result=not wait,
                    producer=producer,
                    retry=True,
                    retry_policy=RETRY_POLICY,
                )
                sent.append(Sent(request, result))
    except (OperationalError, BatchPublishError, redis.RedisError, OSError) as error:
        raise NotSent(f"{type(error).__name__}: {error}") from error
    return sent


def _describe_segments(probes: Sequence[SegmentProbe]) -> str:
    """Describe a task's arguments for Flower."""
    shown = [f"{probe.vlan}{' asks DHCP' if probe.ask_dhcp else ''}" for probe in probes[:VLANS_SHOWN]]
    more = [f"and {len(probes) - VLANS_SHOWN} more"] if len(probes) > VLANS_SHOWN else []
    return f"VLANs {', '.join(shown + more)}"
