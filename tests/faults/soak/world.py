"""Everything that runs in the soak, what is true of it, and which faults it has now."""

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import redis
from celery import Celery

from lab.kube import ApiServer, HarvesterAdmission
from lab.kube.resources import NADS
from lab.prerequisites import program
from lab.running import RunningSite
from lab.wiring import AccessLink
from services.contract.messages import HostAnnouncement
from services.contract.names import host_key
from services.network.parse.nad import Network
from tests.faults.soak.counting import Counting
from tests.faults.soak.parts import Part
from tests.simulation.ground_truth import Truth

SWEEP_S, ASK_WINDOW_S = 20.0, 15.0
TIMEOUT_S = 60.0
AGAIN_S = 0.1
_Answer = TypeVar("_Answer")
_Ask = Callable[[redis.Redis], _Answer]


@dataclass
class Prober:
    """A host's prober."""

    part: Part
    incarnation: int | None = None
    """What it announced last."""
    serves: bool = False
    """Whether it runs and has announced itself since it began."""
    serves_since: float = 0.0
    """When that changed last."""
    was_away_s: float = 0.0
    """If it serves: for how long it did not before."""

    def was_up(self, *, within_s: float, settles_s: float) -> bool:
        """Whether it served within so many seconds.

        One that was away for longer is left out until it has served for settles_s: till then the others'
        reports may have been complete without it.
        """
        age_s = time.monotonic() - self.serves_since
        if self.serves:
            return age_s >= settles_s or self.was_away_s <= within_s
        return age_s <= within_s


@dataclass
class World:
    """See the module."""

    lab: RunningSite
    server: ApiServer
    client: redis.Redis
    redis: Part
    watcher: Part
    updater: Part
    probers: dict[str, Prober]
    truth: Truth = field(default_factory=Truth)
    active: dict[int, str] = field(default_factory=dict)
    """The faults that there are now, by number."""
    crashing: set[str] = field(default_factory=set)
    """Hosts whose prober is killed whenever it serves."""
    rolling: list[str] = field(default_factory=list)
    """Hosts whose prober is still to be restarted, one after the other."""
    repeated: dict[str, Callable[[], object]] = field(default_factory=dict)
    """What is done again and again while a fault is there, by its label."""
    rogues: dict[int, list[list[float]]] = field(default_factory=dict)
    """By VLAN: begin and end of each rogue's time."""
    hindered_until: float = 0.0
    """Until then something that all need still recovers."""
    hindering: set[str] = field(default_factory=set)
    """What all need, and is broken now."""
    admission: HarvesterAdmission = field(default_factory=HarvesterAdmission)
    app: Celery | None = None
    """Sends messages as the services do."""
    good: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """A message as they send it, by its task."""
    spare_watcher: Part | None = None
    spare_probers: dict[str, Part] = field(default_factory=dict)
    """Further processes of the same name, not started."""
    counting: Counting = field(init=False)

    def __post_init__(self) -> None:
        self.counting = Counting(self._is_hindered)

    def parts(self) -> list[Part]:
        """Return all processes."""
        probers = [prober.part for prober in self.probers.values()]
        return [self.redis, self.watcher, self.updater, *probers, *self.spares()]

    def spares(self) -> list[Part]:
        """Return the processes that run only while a fault is there."""
        watchers = [] if self.spare_watcher is None else [self.spare_watcher]
        return [*watchers, *self.spare_probers.values()]

    def command(self, ask: _Ask[_Answer]) -> _Answer:
        """Return what Redis answers, as soon as it does; raise what it answers after TIMEOUT_S."""
        deadline, never = time.monotonic() + TIMEOUT_S, threading.Event()
        while True:
            try:
                return ask(self.client)
            except (redis.ConnectionError, redis.TimeoutError):
                if time.monotonic() > deadline:
                    raise
            never.wait(AGAIN_S)

    def networks(self) -> dict[str, Network]:
        """Return all networks as they are now, by name."""
        stored = self.server.store.snapshot(NADS).items
        found = [Network.from_object(each.body) for each in stored]
        return {network.ref.name: network for network in found}

    def set(self, path: str, vlans: Collection[int], hosts: Collection[str], value: bool) -> None:
        """Note what is true from now on."""
        now = time.monotonic()
        for vlan in vlans:
            for host in hosts:
                self.truth.set((path, vlan, host), value, now)

    def hosts_running(self, *, since: float) -> list[str]:
        """Return the hosts whose process was there at some time since then."""
        return [host for host, p in self.probers.items() if p.part.runs or p.part.since >= since]

    def hosts_steady(self, *, since: float) -> list[str]:
        """Return the hosts that have served throughout since then, with nothing away that all need."""
        if self.hindered_until >= since:
            return []
        return [host for host, p in self.probers.items() if p.serves and p.serves_since <= since]

    def look_at_probers(self) -> None:
        """Note which probers serve: they run, and have announced themselves since they began."""
        for host, prober in self.probers.items():
            serves = prober.serves
            if not prober.part.runs or prober.part.has_ended():
                serves = False
            elif (announced := self._announced(host)) is not None:
                # One that goes on after it was frozen announces what it was before.
                serves = serves or announced != prober.incarnation or prober.part.was_frozen
                prober.incarnation = announced
            if serves is not prober.serves:
                now = time.monotonic()
                prober.was_away_s = now - prober.serves_since if serves else 0.0
                prober.serves, prober.serves_since = serves, now

    def _announced(self, host: str) -> int | None:
        with contextlib.suppress(redis.RedisError, ValueError):
            text = self.client.get(host_key(host))
            if text is not None:
                return HostAnnouncement.from_wire(str(text)).incarnation
        return None

    def _is_hindered(self) -> bool:
        """Return whether nobody can probe now, or what all need still recovers."""
        needed = all(part.runs for part in (self.redis, self.watcher, self.updater))
        if not needed or self.hindering or not any(p.serves for p in self.probers.values()):
            self.hindered_until = max(self.hindered_until, time.monotonic())
            return True
        return time.monotonic() < self.hindered_until

    def ip_in(self, namespace: str, *lines: str) -> None:
        """Run `ip` in a namespace of the site's that is not a host."""
        self.ip(self.inside(namespace), *lines)

    def inside(self, namespace: str) -> list[str]:
        """Return the prefix of a command that runs in a namespace that is not a host."""
        user = ["-U", "--preserve-credentials"] if self.lab.description.user_namespace else []
        pid = str(self.lab.description.namespaces[namespace])
        return [program("nsenter"), "-t", pid, *user, "-n", "--"]

    def ip(self, where: Sequence[str], *lines: str) -> None:
        """Run `ip` behind this prefix."""
        subprocess.run(
            [*where, program("ip"), "-batch", "-"],
            input="\n".join(lines) + "\n",
            check=True,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )

    def set_station(self, link: AccessLink, *, alive: bool) -> None:
        """Take the address and the cable of a gateway or of a DHCP server away, or give them back."""
        address = [f"addr flush dev {link.interface}"]
        if alive:
            address = [f"addr replace {link.address} dev {link.interface}"]
        self.ip_in(link.namespace, *address, f"link set {link.interface} {'up' if alive else 'down'}")
