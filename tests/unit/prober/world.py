"""A scripted network with an engine in it; time moves from event to event, without waiting."""

import heapq
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from services.contract.messages import SegmentProbe, Target
from services.contract.outcomes import Depth
from services.prober.engine.engine import Engine
from services.prober.engine.results import SegmentResult
from services.prober.engine.settings import EngineSettings
from services.prober.frames import templates
from tests.unit.prober import frames
from tests.unit.prober.frames import Sent

UPLINK = "extra"
Reaction = Callable[[Sent], Iterator[tuple[float, bytes]]]
"""A node on a VLAN: for a received frame, the frames that it sends, each with a delay in seconds."""


@dataclass
class DHCPServer:
    """Offers an address. ignore: DHCPDISCOVERs that go unanswered at first."""

    server: str = "10.0.7.1"
    options: bytes = b""
    delay_s: float = 0.01
    ignore: int = 0
    unicast: bool = False
    relay: str = "0.0.0.0"
    address: str = "10.0.7.100"
    router: str = ""
    """The server itself if empty."""
    mac: bytes = frames.SERVER_MAC
    seen: list[Sent] = field(default_factory=list)

    def __call__(self, sent: Sent) -> Iterator[tuple[float, bytes]]:
        if sent.dhcp is None or frames.options_of(sent.dhcp)[53] != b"\x01":
            return
        self.seen.append(sent)
        if len(self.seen) > self.ignore:
            options = self.options or frames.offer_options(
                server=self.server, router=self.router or self.server
            )
            yield (
                self.delay_s,
                frames.answer(
                    sent,
                    options=options,
                    server=self.server,
                    unicast=self.unicast,
                    mac=self.mac,
                    relay=self.relay,
                    address=self.address,
                ),
            )


@dataclass
class Gateway:
    """Answers ARP requests for one address. ignore: requests that go unanswered at first."""

    address: str = "10.0.7.1"
    delay_s: float = 0.001
    ignore: int = 0
    mac: bytes = frames.SERVER_MAC
    asked: int = 0

    def __call__(self, sent: Sent) -> Iterator[tuple[float, bytes]]:
        if sent.arp_target == self.address:
            self.asked += 1
            if self.asked > self.ignore:
                yield self.delay_s, frames.arp_reply(sender=self.address, to=sent.source, mac=self.mac)


@dataclass
class Air:
    """Loss, duplication and jitter of frames in both directions."""

    loss: float = 0.0
    duplication: float = 0.0
    jitter_s: float = 0.0


class World:
    """An engine on one trunk, with nodes by VLAN and routed gateways by address."""

    def __init__(
        self,
        settings: EngineSettings | None = None,
        *,
        seed: int = 1,
        routed: bool = True,
        air: Air | None = None,
        depth: Depth = Depth.OFFER,
        one_mac: bool = False,
    ) -> None:
        self.settings = settings or EngineSettings()
        self.random = random.Random(seed)
        self.engine = Engine(
            host="node1",
            settings=self.settings,
            templates=templates.load(),
            randomness=random.Random(seed + 1),
            routed=routed,
            depth=depth,
            one_mac=one_mac,
        )
        self.trunk = self.engine.trunk(UPLINK)
        self.air = air or Air()
        self.now = 1000.0
        self.nodes: dict[int, list[Reaction]] = {}
        self.untagged: set[int] = set()
        """VLANs whose frames the switch sends to us without a tag."""
        self.routed: set[str] = set()
        self.passes: Callable[[str, bytes], bool] = lambda _gateway, _message: True
        """What a firewall on the routed path lets through: echo requests by gateway."""
        self.found: dict[int, SegmentResult] = {}
        self.found_at: dict[int, float] = {}
        self.sent: list[tuple[float, Sent]] = []
        self.echoes: list[tuple[float, str]] = []
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._count = itertools.count()
        self._begun = 0

    def put(self, vlan: int, *nodes: Reaction) -> None:
        self.nodes.setdefault(vlan, []).extend(nodes)

    def probe(self, vlan: int, *targets: Target, ask_dhcp: bool = True, source: str | None = None) -> None:
        """Start a segment. targets: by default one that takes the offered gateway. source: our address."""
        self._begun += 1

        def done(result: SegmentResult) -> None:
            assert vlan not in self.found, "a result is reported once"
            self.found[vlan] = result
            self.found_at[vlan] = self.now

        probe = SegmentProbe(
            vlan=vlan,
            ask_dhcp=ask_dhcp,
            targets=targets or (target(),),
            source=None if source is None else IPv4Address(source),
        )
        self.engine.start(UPLINK, probe, done=done, now=self.now)

    def at(self, delay_s: float, action: Callable[[], object]) -> None:
        """Run an action after delay_s."""
        heapq.heappush(self._events, (self.now + delay_s, next(self._count), action))

    def deliver(self, delay_s: float, vlan: int, frame: bytes) -> None:
        """Deliver a frame to the engine after delay_s."""
        self.at(delay_s, lambda: self.trunk.receive(vlan, frame, verify_checksum=True, now=self.now))

    def run(self, *, until_s: float = 120.0) -> dict[int, SegmentResult]:
        """Run until every segment has a result; return the results by VLAN."""
        limit = self.now + until_s
        while len(self.found) < self._begun:
            self._exchange()
            if len(self.found) == self._begun:
                break
            times = [self._events[0][0]] if self._events else []
            due = self.engine.next_deadline()
            times += [due] if due is not None else []
            assert times, "no timer and no event is left, but a segment has no result"
            self.now = max(self.now, min(times))
            assert self.now <= limit, "a segment has no result in time"
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
            self.engine.advance(self.now)
        self._exchange()
        return self.found

    def only(self) -> SegmentResult:
        """Run, and return the only result."""
        (result,) = self.run().values()
        return result

    def run_on(self, seconds: float) -> None:
        """Let what is still on its way arrive for so long."""
        limit = self.now + seconds
        while self._events and self._events[0][0] <= limit:
            self.now = max(self.now, self._events[0][0])
            heapq.heappop(self._events)[2]()
        self.now = limit
        self.engine.advance(self.now)

    def _exchange(self) -> None:
        for frame, _ in self.trunk.take_frames():
            sent = frames.take_apart(frame)
            self.sent.append((self.now, sent))
            for _ in range(self._copies()):
                for node in self.nodes.get(sent.vlan, []):
                    for delay_s, reply in node(sent):
                        for _ in range(self._copies()):
                            jitter_s = self.random.uniform(0, self.air.jitter_s)
                            vlan = 0 if sent.vlan in self.untagged else sent.vlan
                            self.deliver(delay_s + jitter_s, vlan, reply)
        echoes = self.engine.echoes
        for gateway, message, _ in echoes.take_packets() if echoes else []:
            address = frames.dotted(gateway)
            self.echoes.append((self.now, address))
            if address in self.routed and echoes and self.passes(address, message):
                packet = frames.echo_reply(message, source=address)
                self.at(0.002, lambda packet=packet: echoes.receive(packet, self.now))  # type: ignore[misc]

    def _copies(self) -> int:
        if self.random.random() < self.air.loss:
            return 0
        return 2 if self.random.random() < self.air.duplication else 1

    def times_of(self, *, arp: bool) -> list[float]:
        """Return when DHCP messages or ARP requests were sent, in seconds since the start."""
        wanted = [at for at, sent in self.sent if (sent.arp_target if arp else sent.dhcp) is not None]
        return [at - 1000.0 for at in wanted]


def target(
    gateway: str | None = None, *, from_dhcp: bool = True, server: str | None = None, digest: str = "0" * 16
) -> Target:
    return Target.model_validate(
        {"digest": digest, "gateway": gateway, "from_dhcp": from_dhcp, "server": server}
    )
