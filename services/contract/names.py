"""The names that two services have to agree on: queues, tasks, Redis keys."""

from services.contract.messages import Segment

PROBE_TASK = "nadroute.probe.v1"
"""Argument: request, a ProbeRequest. Result: a list of Verdict, or an empty one where nobody waits."""
REPORT_TASK = "nadroute.report.v1"
"""Argument: report, a Report. No result."""
REPORT_QUEUE = "report"

DEAD_LETTERS_KEY = "nadroute:dead-letters"
"""A list, newest first, of JSON objects {at_ms, where, reason, body}: what was refused, and why."""
DEAD_LETTERS_KEPT = 1_000

PAUSED_KEY = "nadroute:paused"
"""While it exists nothing is probed and nothing is written: JSON {since_ms, by, reason}."""
OBSERVED_TIME_KEY = "nadroute:observed-time"
"""A hash {observed_ms, at_ms}: time for which an updater was there to see, and when it was counted last."""

WATCHED_KEY = "nadroute:watched"
"""A random word that a watcher leaves: where it is gone or another one, Redis lost what was in it."""

HOST_KEY_PREFIX = "nadroute:host:"
HOST_TTL_S = 15
"""A host that has not renewed its announcement for this long is gone."""
HOST_RENEWAL_S = 5


def probe_queue(host: str) -> str:
    """The queue that the prober on this host, and nobody else, consumes."""
    return f"probe.{host}"


def host_key(host: str) -> str:
    """A HostAnnouncement, with a TTL of HOST_TTL_S."""
    return f"{HOST_KEY_PREFIX}{host}"


def outstanding_key(host: str, segment: Segment) -> str:
    """The id of the request for this segment that is on its way to, or in hand at, this host."""
    return f"nadroute:outstanding:{host}:{segment.cluster_network}:{segment.vlan}"


def verdicts_key(segment: Segment) -> str:
    """A hash: `<host>` to the newest verdict of that host, `<host>|dhcp` to its newest that asked DHCP.

    Values are JSON objects {incarnation, counter, at_ms, observed_ms, verdict}: on arrival, Redis' time and
    observed time. The updater alone writes it; it goes a day after the last verdict.
    """
    return f"nadroute:verdicts:{segment.cluster_network}:{segment.vlan}"


def told_key(uid: str) -> str:
    """What was told of this network by Events alone: a status as nadroute.io/status has it."""
    return f"nadroute:told:{uid}"


def corrections_key(uid: str) -> str:
    """A list, newest first, of Redis' times at which another writer's result was taken back."""
    return f"nadroute:corrections:{uid}"


def worker_name(service: str, host: str) -> str:
    """A Celery node name that a person can read in Flower: prober@node1."""
    return f"{service}@{host}"
