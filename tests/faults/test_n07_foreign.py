"""N7, N8, N9: replies to other clients. xid, chaddr and VLAN must match, all three."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.running import RunningSite
from services.contract.outcomes import DHCPOutcome
from tests.faults.neighbours import (
    FAULTY,
    FORGED,
    SILENT,
    TRUE,
    ask_all,
    assert_unbelieved,
    dhcp_outcome,
    forged_options,
    gateway,
    quiet,
    servers,
)
from tests.faults.trunk import EMPTY, SERVED, assert_served, offerers, outcome, probe, standing_at_port
from tests.unit.prober import frames
from tests.unit.prober.frames import Sent
from tests.unit.prober.world import DHCPServer, Gateway

FEW = settings(max_examples=15)


def forged(sent: Sent, *, xid: bytes | None = None, chaddr: bytes | None = None) -> bytes:
    """Build an OFFER that is correct except for the given fields."""
    assert sent.dhcp is not None
    message = frames.bootp(
        xid=sent.dhcp[4:8] if xid is None else xid,
        chaddr=sent.source if chaddr is None else chaddr,
        options=forged_options(),
    )
    return frames.dhcp_frame(message, server=FORGED)


@FEW
@given(st.integers(1, 2**32 - 1))
def test_n7_other_transaction_id_changes_nothing(difference: int) -> None:
    """With any wrong bit in the xid, only the real server is reported, and none on the empty VLAN."""

    def other(sent: Sent) -> list[bytes]:
        assert sent.dhcp is not None
        xid = int.from_bytes(sent.dhcp[4:8], "big") ^ difference
        return [forged(sent, xid=xid.to_bytes(4, "big"))]

    assert_unbelieved(other)


def test_n7_transaction_id_of_another_vlan_changes_nothing() -> None:
    """The transaction ID of another VLAN's exchange is wrong here, and answers neither exchange."""
    world = quiet()

    def cross(sent: Sent) -> list[tuple[float, bytes]]:
        if sent.dhcp is not None:
            world.deliver(0.001, FAULTY if sent.vlan == SILENT else SILENT, forged(sent))
        return []

    world.put(FAULTY, cross)  # type: ignore[arg-type]
    world.put(SILENT, cross)  # type: ignore[arg-type]
    assert dhcp_outcome(ask_all(world)[FAULTY]) is DHCPOutcome.NO_OFFER


@FEW
@given(st.integers(1, 2**48 - 1))
def test_n8_other_client_address_changes_nothing(difference: int) -> None:
    """A broadcast offer to another client with our transaction ID is ignored."""

    def other(sent: Sent) -> list[bytes]:
        chaddr = int.from_bytes(sent.source, "big") ^ difference
        return [forged(sent, chaddr=chaddr.to_bytes(6, "big"))]

    assert_unbelieved(other)


def test_n8_our_address_on_another_vlan_changes_nothing() -> None:
    """Our MAC of another VLAN is wrong here: a reply that a switch leaks between VLANs is ignored."""
    addresses = quiet().trunk.identity
    assert_unbelieved(lambda sent: [forged(sent, chaddr=addresses.mac(SILENT))])


@pytest.mark.parametrize("vlan", [SILENT, 0, 1, 4095])
def test_n9_right_answer_on_the_wrong_vlan_changes_nothing(vlan: int) -> None:
    """A correct reply on the wrong VLAN counts neither there nor on the VLAN of its request."""
    world = quiet()

    def leak(sent: Sent) -> list[tuple[float, bytes]]:
        if sent.dhcp is not None:
            world.deliver(0.001, vlan, forged(sent))
        return []

    world.put(FAULTY, leak)  # type: ignore[arg-type]
    assert dhcp_outcome(ask_all(world)[FAULTY]) is DHCPOutcome.NO_OFFER


@pytest.mark.parametrize("inner", [FAULTY, SILENT, 0])
@pytest.mark.parametrize("kind", [b"\x81\x00", b"\x88\xa8", b"\x91\x00"])
def test_n9_second_tag_changes_nothing(kind: bytes, inner: int) -> None:
    """The kernel strips only the outer tag; a frame with another tag is ignored."""

    def double(sent: Sent) -> list[bytes]:
        frame = forged(sent)
        return [frame[:12] + kind + inner.to_bytes(2, "big") + frame[12:]]

    assert_unbelieved(double)


def test_n9_second_server_on_the_right_vlan_would_have_been_reported() -> None:
    """The same frame, correct in all three, is an offer: so it was ignored for no other reason."""
    world = quiet()
    world.put(FAULTY, DHCPServer(), Gateway())
    world.put(FAULTY, lambda sent: iter([(0.001, forged(sent))] if sent.dhcp is not None else []))
    found = ask_all(world)[FAULTY]
    assert servers(found) == [TRUE, FORGED]
    assert gateway(found) == TRUE


@pytest.mark.network
def test_n9_tags_on_real_frames_are_what_the_kernel_says(trunk_site: RunningSite) -> None:
    """On real frames, offers on another VLAN, untagged, priority-tagged or double-tagged are ignored."""
    scripts = {EMPTY: ["other tags"], EMPTY + 1: [], EMPTY + 2: ["other tags", "true"], EMPTY + 3: []}
    with standing_at_port(trunk_site, "hostile", json.dumps(scripts)):
        found = probe(trunk_site, [*scripts, *SERVED], deadline_s=4.0)
    for vlan in (EMPTY, EMPTY + 1, EMPTY + 3):
        assert (found[vlan].fault, outcome(found[vlan])) == (None, DHCPOutcome.NO_OFFER), vlan
    assert offerers(found[EMPTY + 2]) == [TRUE]
    assert_served(found)
