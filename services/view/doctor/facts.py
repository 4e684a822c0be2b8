"""The facts that the doctor judges: what was read from Redis and from Kubernetes, or why it could not be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from services.cluster.rights import Right
from services.cluster.surroundings import Node
from services.network.parse.nad import Network
from services.runtime.stored.dead_letters import DeadLetter
from services.view.doctor.findings import Unknown
from services.view.host_checks import RedisView
from services.view.hosts import HostRow
from services.view.maintenance import Window

T = TypeVar("T")
Known: TypeAlias = T | Unknown
"""A fact, or why it could not be read."""
NOT_READ = Unknown("not read")


@dataclass(frozen=True)
class QueueFact:
    """A queue in which messages wait."""

    name: str
    length: int
    stands_for_s: float
    """How long the oldest message was seen waiting; 0 if it was taken meanwhile."""


@dataclass(frozen=True)
class Running:
    """A part of nadroute that runs, other than a prober."""

    part: str
    """As `watcher`."""
    machine: str
    """Its machine, or its pod."""
    version: str


@dataclass(frozen=True)
class RedisClocks:
    """Redis' time, and what there is to compare it to. Milliseconds."""

    now_ms: int
    local_ms: int
    """This machine's, when Redis told its own."""
    latest_ms: int = 0
    """The latest of Redis' times that are stored; 0 without any."""


@dataclass(frozen=True)
class RedisFacts:
    """What was read from Redis; with `trouble`, nothing else was."""

    where: str
    """Without user and password."""
    user: str = ""
    """As whom we sign in; empty without a name or a password."""
    is_encrypted: bool = False
    is_local: bool = False
    """Whether nobody else can be on the way: a socket, or the loopback."""
    trouble: str | None = None
    server: Known[str] = NOT_READ
    """Its version."""
    expires_in_days: Known[float] = NOT_READ
    """How long its certificate is valid."""
    refused: tuple[str, ...] = ()
    """What this user must be allowed, and is not."""
    excess: tuple[str, ...] = ()
    """What no part of nadroute needs, and this user may."""
    write_error: str | None = None
    clocks: Known[RedisClocks] = NOT_READ
    paused: Known[str | None] = NOT_READ
    """The pause as a sentence."""
    windows: Known[tuple[Window, ...]] = NOT_READ
    """The maintenance windows."""
    sends: Known[bool] = NOT_READ
    """Whether a watcher sends what is due."""
    counted_ago_s: Known[float | None] = NOT_READ
    """How long ago an updater counted time; None if none ever has."""
    hosts: Known[tuple[HostRow, ...]] = NOT_READ
    running: Known[tuple[Running, ...]] = NOT_READ
    """Watchers, updaters and Flower."""
    queues: Known[tuple[QueueFact, ...]] = NOT_READ
    """Those that are not empty."""
    letters: Known[tuple[DeadLetter, ...]] = NOT_READ


@dataclass(frozen=True)
class ClusterFacts:
    """What was read from Kubernetes; with `trouble`, nothing else was."""

    trouble: str | None = None
    todo: str = ""
    """What to do about it."""
    is_configured: bool = True
    """False if there are no credentials: then it was not asked."""
    version: Known[str] = NOT_READ
    missing: Mapping[str, Known[tuple[Right, ...]]] = field(default_factory=dict)
    """By part (`watcher`, `updater`, `cli`), the rights that it uses and does not have."""
    users: Mapping[str, str] = field(default_factory=dict)
    """By part, the user whose rights were asked; without one, they are ours."""
    unseen: Mapping[str, str] = field(default_factory=dict)
    """By part, why it is not the user of the part's own ServiceAccount."""
    nodes: Known[tuple[Node, ...]] = NOT_READ
    networks: Known[tuple[Network, ...]] = NOT_READ
    scrapes: Known[tuple[str, ...]] = NOT_READ
    rules: Known[tuple[str, ...]] = NOT_READ


@dataclass(frozen=True)
class Facts:
    """Everything that was read."""

    version: str
    """Of this program."""
    redis: RedisFacts
    cluster: ClusterFacts
    view: RedisView = field(default_factory=RedisView)
    """What Redis knows of the networks; empty if these could not be read."""
