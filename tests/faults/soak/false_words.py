"""A word that was false, with all that a person needs to see why."""

from dataclasses import dataclass

from services.network.parse import nad
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import Network
from tests.faults.soak.layout import HOSTS
from tests.faults.soak.world import World

LAST_WRITES = 6


@dataclass(frozen=True)
class FalseWord:
    """A write, or what stands, that says what was not so."""

    at: float
    name: str
    what: str
    told: str
    truth: str
    active: tuple[str, ...]


def false_word(world: World, network: Network, what: str, *, at: float, asked_at: float | None) -> FalseWord:
    """Return what a network says that is false, at this time; asked_at: when its owner changed it last."""
    told = f"{network.annotations.get(nad.STATUS)} {network.annotations.get(nad.ROUTE)}"
    truth = _truth_of(world, network, at)
    if asked_at is not None:
        truth = f"{truth}; asked for since -{at - asked_at:.1f} s"
    truth = "\n".join([truth, *_written_before(world, network, at)])
    return FalseWord(at, network.ref.name, what, told, truth, tuple(world.active.values()))


def _written_before(world: World, network: Network, at: float) -> list[str]:
    """Return the last writes to it, the newest first: whose, and what they left."""
    lines = []
    for record in world.server.store.writes.all():
        if record.name == network.ref.name and record.changed and record.at <= at:
            body = record.after
            left = "deleted" if body is None else _left_by(Network.from_object(body))
            lines.append(f"written -{at - record.at:.1f} s by {record.user}: {left}")
    return lines[: -LAST_WRITES - 1 : -1]


def _left_by(network: Network) -> str:
    status = network.status
    told = "no status" if status is None else f"{status.state} {dict(status.hosts)}"
    return f"{told}, route {network.annotations.get(nad.ROUTE)}"


def _truth_of(world: World, network: Network, at: float) -> str:
    intent = read_intent(network)
    if not isinstance(intent, Intent):
        return f"{intent.state}"
    vlan = intent.segment.vlan
    told = []
    for path in ("vlan", "routed", "dhcp", "uplink"):
        for host in ("", *HOSTS):
            changes = world.truth.changes.get((path, vlan, host), [])
            if changes:
                last = ", ".join(f"{'yes' if v else 'no'} since -{at - t:.1f} s" for t, v in changes[-3:])
                told.append(f"{path} {host}: {last}")
    probers = [
        f"{host} {'serves' if p.serves else 'is away'} for {at - p.serves_since:.1f} s"
        for host, p in world.probers.items()
    ]
    return "; ".join([f"VLAN {vlan}", *told, *probers])
