"""Claimed addresses: the engine lists them, and the link's filter accepts ARP about them."""

from typing import Any

import pytest

from services.prober.engine.own_address import OperatorAddress
from services.prober.engine.trunk import Trunk
from services.prober.sockets import packet_filter
from services.prober.sockets.packet_link import PacketLink
from tests.unit.prober import frames
from tests.unit.prober.frames import number
from tests.unit.prober.world import World

GATEWAY = number("10.0.7.1")


class Job:
    """Takes the result of a claim."""

    def claimed(self, owner: bytes | None, is_free: bool, now: float) -> None:
        """See ClaimHandler."""


def claim(trunk: Trunk, vlan: int, address: str) -> OperatorAddress:
    """Claim an address that the operator gave this host."""
    return trunk.claim_address(trunk.station(vlan), number(address), handler=Job(), now=0.0)


def test_an_address_on_many_vlans_hides_no_other() -> None:
    """Claims are per VLAN, the filter is per address: all distinct addresses are listed."""
    trunk = World().trunk
    for vlan in range(1, 101):
        claim(trunk, vlan, "192.168.1.100")
    claim(trunk, 200, "10.0.7.5")
    assert trunk.take_claims(limit=packet_filter.MAX_ADDRESSES) == frozenset(
        {frames.number("192.168.1.100"), frames.number("10.0.7.5")}
    )


def test_a_claim_is_undone_only_by_its_owner() -> None:
    """Of two probes with the same address on a VLAN, the first to end does not silence the other."""
    trunk = World().trunk
    first, second = (claim(trunk, 7, "10.0.7.5") for _ in range(2))
    first.release(0.0)
    assert trunk.take_claims(limit=64) == frozenset({number("10.0.7.5")})
    second.release(0.0)
    assert trunk.take_claims(limit=64) == frozenset()


def test_more_addresses_than_a_filter_holds_are_reported_as_more() -> None:
    """The limit plus one is enough."""
    trunk = World().trunk
    for at in range(packet_filter.MAX_ADDRESSES + 1):
        claim(trunk, 1 + at, frames.dotted(GATEWAY + at))
    claims = trunk.take_claims(limit=packet_filter.MAX_ADDRESSES)
    assert claims is not None
    assert len(claims) > packet_filter.MAX_ADDRESSES


def test_the_filter_is_replaced_only_when_it_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit the filter accepts all ARP, so different addresses need no new one."""
    attached: list[bytes] = []
    monkeypatch.setattr(packet_filter, "attach", lambda _, program: attached.append(program))
    link: Any = object.__new__(PacketLink)
    link._mac_prefix, link._socket, link._heard = b"\x62abc", None, frozenset()
    full, more, others = frozenset(range(1, 65)), frozenset(range(1, 66)), frozenset(range(2, 67))
    for addresses in (frozenset(), full, full, more, others, more, full, frozenset()):
        link.listen_for(addresses)
    expected = [packet_filter.replies_to(b"\x62abc", addresses=a) for a in (full, more, full, frozenset())]
    assert attached == expected


def test_a_filter_that_could_not_be_attached_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next call attaches it, although the addresses are the same."""
    answers = [OSError(12, "no room"), None]
    attached: list[bytes] = []

    def attach(_: object, program: bytes) -> None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        attached.append(program)

    monkeypatch.setattr(packet_filter, "attach", attach)
    link: Any = object.__new__(PacketLink)
    link._mac_prefix, link._socket, link._heard, link._interface = b"\x62abc", None, frozenset(), "x"
    with pytest.raises(Exception, match="x: "):
        link.listen_for(frozenset({1}))
    link.listen_for(frozenset({1}))
    assert len(attached) == 1
