"""Answers that come without a VLAN's tag: it is the native VLAN of the switch port, or of an access port.

The switch takes the tag off, so a VM on that VLAN does not get them. They prove nothing about the gateway or
DHCP: anyone on the untagged VLAN may send them. So they only explain why nothing came with the tag.
"""

from collections.abc import Mapping
from typing import Final

from services.contract.outcomes import ReachOutcome, Untagged
from services.prober.engine.pacing import TokenBucket
from services.prober.engine.reachability import ARPCheck
from services.prober.engine.results import SegmentResult
from services.prober.engine.trunk_state import TrunkState
from services.prober.frames import arp, dhcp, ethernet
from services.prober.frames.dhcp_frames import DHCPFrameReader
from services.prober.frames.ignore_reasons import IgnoreReason

_SEARCHES_PER_S: Final = 50.0
"""With one MAC address on all VLANs, every open check is looked at: not for each frame of a flood."""
_DHCP_REPLIES: Final = frozenset({dhcp.OFFER, dhcp.ACK, dhcp.NAK})


class UntaggedAnswers:
    """Notes on which VLANs what one trunk asked is answered without a tag."""

    def __init__(
        self, state: TrunkState, reader: DHCPFrameReader, checks: Mapping[tuple[int, int], ARPCheck]
    ) -> None:
        """checks: the open ARP checks by (VLAN, gateway)."""
        self._state = state
        self._reader = reader
        self._checks = checks
        self._searches = TokenBucket(_SEARCHES_PER_S)

    def receive(self, frame: bytes, *, verify_checksum: bool, now: float) -> None:
        """Note the VLAN of an answer; count any other frame as ignored."""
        if frame[12:14] == ethernet.TYPE_ARP:
            vlan = self._vlan_of_arp(frame, now)
        else:
            vlan = self._vlan_of_dhcp(frame, verify_checksum=verify_checksum)
        if vlan:
            self._state.untagged[vlan] = now
        else:
            self._state.ignored[IgnoreReason.UNTAGGED] += 1

    def _vlan_of_arp(self, frame: bytes, now: float) -> int:
        """Return the VLAN on which this was asked; 0 if nobody asked, or it may have been on several."""
        message = arp.parse(frame)
        if message is None or message.operation != arp.REPLY:
            return 0
        vlan = self._state.identity.vlan_of(message.target_mac)
        if vlan is not None:
            return vlan if (vlan, message.sender) in self._checks else 0
        if message.target_mac != self._state.identity.mac(0) or not self._searches.take(now):
            return 0
        asked = [vlan for vlan, gateway in self._checks if gateway == message.sender]
        return asked[0] if len(asked) == 1 else 0

    def _vlan_of_dhcp(self, frame: bytes, *, verify_checksum: bool) -> int:
        transactions = self._state.transactions
        reply = self._reader.read(frame, verify_checksum=verify_checksum, xids=transactions)
        if isinstance(reply, IgnoreReason) or reply.kind not in _DHCP_REPLIES:
            return 0
        transaction = transactions.get(reply.xid)
        if transaction is None or transaction.exchange.station.mac != reply.chaddr:
            return 0
        return transaction.exchange.station.vlan


def explain_silence(state: TrunkState, result: SegmentResult, *, since: float, now: float) -> SegmentResult:
    """Return the result with what was heard untagged on its VLAN, if nothing was heard with the tag.

    since: when the VLAN was asked first.
    """
    at = state.untagged.get(result.vlan)
    if at is None or at < since or result.fault is not None or _is_answered(result):
        return result
    kind = Untagged.ONE if state.losses.heard_lately(now) else Untagged.ALL
    return result._replace(untagged=kind)


def _is_answered(result: SegmentResult) -> bool:
    reached = any(target.vlan.outcome is ReachOutcome.REACHABLE for target in result.targets)
    return reached or (result.dhcp is not None and bool(result.dhcp.offers))
