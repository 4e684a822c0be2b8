"""N14: frames longer than requested, and fragmented datagrams."""

import json
from collections.abc import Iterator

import pytest

from lab.running import RunningSite
from services.contract.outcomes import DHCPOutcome
from tests.faults.neighbours import FORGED, assert_unbelieved, forged_options
from tests.faults.trunk import (
    EMPTY,
    HOST,
    PORT,
    SERVED,
    UPLINK,
    assert_served,
    at_port,
    ip,
    offerers,
    outcome,
    probe,
    standing_at_port,
)
from tests.unit.prober import frames
from tests.unit.prober.frames import Sent

GIANT = {
    EMPTY: ["giant"],
    EMPTY + 1: ["giant", "true"],
    EMPTY + 2: ["fragmented"],
    EMPTY + 3: ["fragmented", "true"],
}


@pytest.fixture
def jumbo_site(trunk_site: RunningSite) -> Iterator[RunningSite]:
    """Let the trunk carry frames of 9000 octets."""
    ends = ((trunk_site.command(HOST), UPLINK), (at_port(trunk_site), PORT))
    for where, interface in ends:
        ip(where, f"link set {interface} mtu 9000")
    yield trunk_site
    for where, interface in ends:
        ip(where, f"link set {interface} mtu 1500")


@pytest.mark.parametrize("octets", [1300, 1600, 8000, 60_000])
def test_n14_message_longer_than_was_asked_for_is_refused(octets: int) -> None:
    """A message longer than the 1472 octets of option 57 is refused."""
    assert_unbelieved(lambda sent: [frames.answer(sent, options=forged_options(more=bytes(octets)))])


@pytest.mark.parametrize("fragment", [0x2000, 0x2010, 0x0010, 0x1FFF, 0x3FFF])
def test_n14_fragment_is_refused_however_whole_it_looks(fragment: int) -> None:
    """A fragment is refused, however complete it looks, and nothing of it is kept."""

    def fragmented(sent: Sent) -> list[bytes]:
        datagram = frames.answer(sent, options=forged_options(), server=FORGED)[34:]
        packet = frames.ip_packet(
            17, datagram, source=FORGED, destination="255.255.255.255", fragment=fragment
        )
        return [frames.ethernet(packet, kind=0x0800)]

    assert_unbelieved(fragmented)


@pytest.mark.network
def test_n14_giants_and_fragments_on_real_frames_change_nothing(jumbo_site: RunningSite) -> None:
    """On real frames, giants and fragments change nothing: only the server beside them is found."""
    with standing_at_port(jumbo_site, "hostile", json.dumps(GIANT)):
        found = probe(jumbo_site, [*GIANT, *SERVED], deadline_s=4.0)
    for vlan, scripts in GIANT.items():
        verdict = found[vlan]
        assert verdict.fault is None
        if "true" in scripts:
            assert offerers(verdict) == ["10.0.7.1"], scripts
        else:
            assert outcome(verdict) in (DHCPOutcome.NO_OFFER, DHCPOutcome.INCONCLUSIVE), scripts
    assert_served(found)
