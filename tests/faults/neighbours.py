"""A VLAN with a fault among healthy VLANs, whose results must not change."""

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
"""The real server and gateway, and those that an attacker names."""
ATTACKER = bytes.fromhex("02fe00000066")
SLOWER = 1.1
"""Other VLANs may take a tenth longer."""


def quiet(settings: EngineSettings | None = None) -> World:
    """Build a world before the first probe; the faulty VLAN and the silent one are empty."""
    world = World(settings, routed=False)
    for vlan in WELL:
        world.put(vlan, DHCPServer(), Gateway())
    return world


def ask_all(world: World) -> dict[int, SegmentResult]:
    """Probe all VLANs of a quiet world whose fault was injected since, and return the results."""
    for vlan in (FAULTY, SILENT, *WELL):
        world.probe(vlan)
    found = world.run()
    assert_others_unmoved(world)
    return found


def assert_others_unmoved(world: World) -> None:
    """Assert that the other VLANs have the usual results in the usual time, plus or minus a tenth."""
    usual = _usual_s(world.settings)
    for vlan in (SILENT, *WELL):
        finding = world.found[vlan]
        expected = DHCPOutcome.NO_OFFER if vlan == SILENT else DHCPOutcome.OFFERED
        assert dhcp_outcome(finding) == expected, vlan
        reached = finding.targets[0].vlan.outcome
        assert reached is (ReachOutcome.NOT_TRIED if vlan == SILENT else ReachOutcome.REACHABLE), vlan
        assert finding.fault is None
        assert world.found_at[vlan] - 1000.0 <= usual[vlan] * SLOWER, vlan


@cache
def _usual_s(settings: EngineSettings) -> dict[int, float]:
    """Return how many seconds each VLAN takes without a fault."""
    world = quiet(settings)
    for vlan in (FAULTY, SILENT, *WELL):
        world.probe(vlan)
    world.run()
    return {vlan: at - 1000.0 for vlan, at in world.found_at.items()}


def asked(finding: SegmentResult) -> DiscoveryResult:
    """Return the DHCP result, which must exist."""
    assert finding.dhcp is not None
    return finding.dhcp


def dhcp_outcome(finding: SegmentResult) -> DHCPOutcome:
    """Return the outcome of DHCP."""
    return asked(finding).outcome


def servers(finding: SegmentResult) -> list[str]:
    """Return the servers that offered, in their reported order."""
    return [frames.dotted(offer.server) for offer in asked(finding).offers]


def gateway(finding: SegmentResult) -> str | None:
    """Return the gateway of the segment's only target."""
    address = finding.targets[0].gateway
    return None if address is None else frames.dotted(address)


Forge = Callable[[frames.Sent], list[bytes]]
"""Maps a DISCOVER to an attacker's replies: untagged frames for the same VLAN."""


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
    """Build the options of an OFFER that would make the attacker the gateway."""
    return frames.offer_options(**{"server": FORGED, "router": FORGED, **fields})  # type: ignore[arg-type]


def under_attack(forge: Forge) -> tuple[SegmentResult, SegmentResult]:
    """Return the results of a VLAN with a server and of an empty one, with the attacker on both."""
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
    """Assert that only the real server is reported, and none on the empty VLAN."""
    served, empty = under_attack(forge)
    assert servers(served) == [TRUE]
    assert gateway(served) == TRUE
    assert served.targets[0].vlan.mac == frames.SERVER_MAC
    assert (dhcp_outcome(empty), gateway(empty)) == (DHCPOutcome.NO_OFFER, None)
