"""A VLAN under fault among others that are well: theirs is what must not change."""

from collections.abc import Callable
from functools import cache

from services.contract.outcomes import DHCPOutcome, ReachOutcome
from services.prober.engine.results import DiscoveryResult, SegmentResult
from services.prober.engine.settings import EngineSettings
from tests.unit.prober import frames
from tests.unit.prober.world import DHCPServer, Gateway, World

FAULTY = 7
SILENT = 8
WELL = range(101, 121)
TRUE, FORGED = "10.0.7.1", "10.0.7.66"
"""The server and gateway that are there, and those that an attacker names."""
ATTACKER = bytes.fromhex("02fe00000066")
SLOWER = 1.1
"""Other VLANs may take a tenth longer."""


def quiet(settings: EngineSettings | None = None) -> World:
    """Nothing is wrong, and nobody has been asked yet; the faulty VLAN and the silent one are empty."""
    world = World(settings, routed=False)
    for vlan in WELL:
        world.put(vlan, DHCPServer(), Gateway())
    return world


def ask_all(world: World) -> dict[int, SegmentResult]:
    """All findings of a world that was made quiet, and had its fault put in since."""
    for vlan in (FAULTY, SILENT, *WELL):
        world.probe(vlan)
    found = world.run()
    assert_others_unmoved(world)
    return found


def assert_others_unmoved(world: World) -> None:
    """The others are told what is true, in the time that they always take, give or take a tenth."""
    usual = _usual_s(world.settings)
    for vlan in (SILENT, *WELL):
        finding = world.found[vlan]
        assert told(finding) == (DHCPOutcome.NO_OFFER if vlan == SILENT else DHCPOutcome.OFFERED), vlan
        reached = finding.targets[0].vlan.outcome
        assert reached is (ReachOutcome.NOT_TRIED if vlan == SILENT else ReachOutcome.REACHABLE), vlan
        assert finding.fault is None
        assert world.found_at[vlan] - 1000.0 <= usual[vlan] * SLOWER, vlan


@cache
def _usual_s(settings: EngineSettings) -> dict[int, float]:
    """How long each VLAN takes where nothing is wrong, in seconds."""
    world = quiet(settings)
    for vlan in (FAULTY, SILENT, *WELL):
        world.probe(vlan)
    world.run()
    return {vlan: at - 1000.0 for vlan, at in world.found_at.items()}


def asked(finding: SegmentResult) -> DiscoveryResult:
    """What DHCP said; it was asked."""
    assert finding.dhcp is not None
    return finding.dhcp


def told(finding: SegmentResult) -> DHCPOutcome:
    """The outcome of DHCP."""
    return asked(finding).outcome


def servers(finding: SegmentResult) -> list[str]:
    """Who offered, in the order in which they are told."""
    return [frames.dotted(offer.server) for offer in asked(finding).offers]


def gateway(finding: SegmentResult) -> str | None:
    """The gateway that counts for the segment's one target."""
    address = finding.targets[0].gateway
    return None if address is None else frames.dotted(address)


Forge = Callable[[frames.Sent], list[bytes]]
"""What an attacker answers to a DISCOVER that it heard: untagged frames for the same VLAN."""


class Attacker:
    """Answers each DISCOVER at once, before any honest server can; counts what it sent."""

    def __init__(self, forge: Forge) -> None:
        self._forge = forge
        self.sent = 0

    def __call__(self, sent: frames.Sent) -> list[tuple[float, bytes]]:
        if sent.dhcp is None:
            return []
        forged = self._forge(sent)
        self.sent += len(forged)
        return [(0.0001, frame) for frame in forged]


def forged_options(**fields: str | int | bytes | None) -> bytes:
    """The options of an OFFER by which an attacker would become the gateway."""
    return frames.offer_options(**{"server": FORGED, "router": FORGED, **fields})  # type: ignore[arg-type]


def under_attack(forge: Forge) -> tuple[SegmentResult, SegmentResult]:
    """What is found on a VLAN where a server works and one where nobody is, with the attacker on both."""
    findings = []
    for served in (True, False):
        world = quiet()
        attacker = Attacker(forge)
        world.put(FAULTY, attacker)  # type: ignore[arg-type]
        if served:
            world.put(FAULTY, DHCPServer(), Gateway(), Gateway(FORGED, mac=ATTACKER))
        findings.append(ask_all(world)[FAULTY])
        assert attacker.sent, "the attacker has spoken"
    return findings[0], findings[1]


def assert_unbelieved(forge: Forge) -> None:
    """Where a server works it alone is told; where nobody is, nobody is told."""
    served, empty = under_attack(forge)
    assert servers(served) == [TRUE]
    assert gateway(served) == TRUE
    assert served.targets[0].vlan.mac == frames.SERVER_MAC
    assert (told(empty), gateway(empty)) == (DHCPOutcome.NO_OFFER, None)
