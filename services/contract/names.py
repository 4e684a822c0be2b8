"""Names that services share: queues, tasks and Redis keys."""

from services.contract.messages import Segment

PROBE_TASK = "nadroute.probe.v1"
"""Argument: request, a ProbeRequest. Result: a list of Verdict; empty if the caller does not wait."""
REPORT_TASK = "nadroute.report.v1"
"""Argument: report, a Report as a JSON string. No result."""
REPORT_QUEUE = "report"

FULL_TASK = "nadroute.full.v1"
"""Argument: request, a FullRequest, on the host's own queue. No result."""

DEAD_LETTERS_KEY = "nadroute:dead-letters"
"""A list, newest first, of JSON objects {at_ms, where, reason, body}: refused messages and the reasons."""
DEAD_LETTERS_KEPT = 1_000

CHECK_KEY = "nadroute:check"
"""A key that nobody makes: writing to it only if it exists shows whether Redis takes writes."""

QUARANTINE_KEY_PREFIX = "nadroute:quarantine"
"""Keys of another type than expected are renamed to this, a colon and a number below QUARANTINE_KEPT."""
QUARANTINE_KEPT = 16
QUARANTINE_TTL_S = 86_400

PAUSED_KEY = "nadroute:paused"
"""While this key exists, nothing is probed and nothing is written. JSON {since_ms, by, reason}."""
MAINTENANCE_KEY_PREFIX = "nadroute:maintenance:"
"""Keys of maintenance windows, as maintenance_key() names them. While one exists, probers do not announce
what it names. JSON as that of the pause; it expires."""
OBSERVED_TIME_KEY = "nadroute:observed-time"
"""A hash {observed_ms, at_ms, resumed_ms, stood_still}: time during which an updater ran and a watcher sent,
when it was last counted, when it last went on, and whether it stands still. See runtime.verdict_store."""

UNWRITTEN_KEY = "nadroute:unwritten"
"""A set of the uids of the networks whose conclusion has something that is not written."""

CAUSES_KEY = "nadroute:causes"
"""A CausesRecord: the causes of everything that is wrong on the site. Only the updater writes it."""

WATCHED_KEY = "nadroute:watched"
"""A random word that a watcher sets. If it is missing or another one, Redis lost its data."""

DOUBTS_KEY = "nadroute:doubts"
"""A stream of entries {doubt: a Doubt as JSON}: the updater appends, the watcher that leads acts on them."""
DOUBTS_KEPT = 5_000
"""Entries from which the oldest is dropped."""

BY_HAND_KEY = "nadroute:by-hand"
"""A stream of entries {by_hand: a ByHand as JSON}: `nadroute probe` appends, watchers count the frames."""
BY_HAND_KEPT = 2_000
"""Entries from which the oldest is dropped."""

SENDING_KEY = "nadroute:sending"
"""A SendingMark. It exists while a watcher sends what is due: it leads, is not paused, and Redis takes its
writes. While nobody sends, nobody probes, and no verdict may age."""
SENDING_TTL_S = 15
"""Lifetime of that mark, which is renewed at each poll of the hosts."""

OFFERED_TTL_S = 600
"""Longer than an ask that is not told waits for the next one, behind what is more urgent."""

VERDICTS_KEY_PREFIX = "nadroute:verdicts:"

LEASE_CONFLICT_KEY_PREFIX = "nadroute:lease-conflict:"
LEASE_CONFLICT_TTL_S = 604_800
"""Longer than any pause in leasing: who answers for several addresses is known by more than one conflict."""

HOST_KEY_PREFIX = "nadroute:host:"
HOST_TTL_S = 15
"""Lifetime of a host's announcement."""
HOST_RENEWAL_S = 5


RUNNING_KEY_PREFIX = "nadroute:running:"
RUNNING_TTL_S = 30
"""Lifetime of what a running part of nadroute, other than a prober, says of itself."""


def running_key(part: str, machine: str) -> str:
    """Return the key of the version of a part, such as `watcher`, that runs on a machine or in a pod."""
    return f"{RUNNING_KEY_PREFIX}{part}:{machine}"


def probe_queue(host: str) -> str:
    """Return the queue that only the prober on this host consumes."""
    return f"probe.{host}"


def host_key(host: str) -> str:
    """Return the key of a HostAnnouncement, which has a TTL of HOST_TTL_S."""
    return f"{HOST_KEY_PREFIX}{host}"


def host_lock_key(host: str) -> str:
    """Return the key of the HostClaim of the prober that holds this name; it has a TTL of HOST_TTL_S."""
    return f"nadroute:host-lock:{host}"


def host_waiting_key(host: str) -> str:
    """Return the key of the HostClaim of a prober that waits for this name, with a TTL of HOST_TTL_S."""
    return f"nadroute:host-waiting:{host}"


def maintenance_key(host: str, cluster_network: str) -> str:
    """Return the key of a window: of a cluster network on a host; an empty name is all of them."""
    return f"{MAINTENANCE_KEY_PREFIX}{host}:{cluster_network}"


def maintenance_subject(key: str) -> tuple[str, str]:
    """Return the host and the cluster network that a maintenance_key() names; an empty name means all."""
    host, _, cluster_network = key.removeprefix(MAINTENANCE_KEY_PREFIX).partition(":")
    return host, cluster_network


def outstanding_key(host: str, segment: Segment) -> str:
    """Return the key of the id of the request for this segment that this host has not answered yet."""
    return f"{outstanding_keys(host, segment.cluster_network)}{segment.vlan}"


def outstanding_keys(host: str, cluster_network: str) -> str:
    """Return the beginning of these keys of one host and cluster network; the VLAN follows."""
    return f"nadroute:outstanding:{host}:{cluster_network}:"


def offered_key(host: str, segment: Segment) -> str:
    """Return the key that exists since this host has reported an offer on this segment.

    The watcher deletes it when it has the host ask DHCP. It expires after OFFERED_TTL_S.
    """
    return f"{outstanding_key(host, segment)}:offered"


def lease_conflict_key(segment: Segment) -> str:
    """Return the key of the LeaseConflict on this segment; it has a TTL of LEASE_CONFLICT_TTL_S."""
    return f"{LEASE_CONFLICT_KEY_PREFIX}{segment.cluster_network}:{segment.vlan}"


def verdicts_key(segment: Segment) -> str:
    """Return the key of a hash: `<host>` is its newest verdict, `<host>|dhcp` its newest with a
    conclusive DHCP result.

    Values are JSON objects {incarnation, counter, at_ms, observed_ms, full_ms, fingerprint, verdict}: the
    order of the verdict or of its last repeat, with Redis' time and observed time on arrival; full_ms is the
    observed time when the verdict itself came. Only the updater writes it. It expires a day after the last,
    or ten minutes after the last network on the segment was deleted.
    """
    return f"{verdicts_keys(segment.cluster_network)}{segment.vlan}"


def verdicts_keys(cluster_network: str) -> str:
    """Return the beginning of these keys of one cluster network; the VLAN follows."""
    return f"{VERDICTS_KEY_PREFIX}{cluster_network}:"


def conclusion_key(uid: str) -> str:
    """Return the key of the ConclusionRecord of the network with this uid. Only the updater writes it."""
    return f"nadroute:conclusion:{uid}"


def written_key(uid: str) -> str:
    """Return the key of a hash {content, told_ms}: the fingerprint of what was last written to a network, and
    when an Event told that another writer is corrected no more."""
    return f"nadroute:written:{uid}"


def corrections_key(uid: str) -> str:
    """Return the key of a list, newest first, of Redis' times at which another writer was corrected."""
    return f"nadroute:corrections:{uid}"


def worker_name(service: str, host: str) -> str:
    """Return the Celery node name, such as prober@node1."""
    return f"{service}@{host}"
