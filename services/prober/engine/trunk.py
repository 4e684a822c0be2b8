"""One trunk: all VLANs of one uplink. It sends the frames of open probes and matches what is received.

Pure: frames are bytes, and the time is passed in. A frame that matches no open probe changes nothing.
"""

from collections import Counter
from typing import Final

from services.prober.engine.answers import Answers
from services.prober.engine.discovery import Discovery, DiscoveryHandler
from services.prober.engine.identity import Identity
from services.prober.engine.lease import LeasedAddress, LeaseHandler
from services.prober.engine.losses import Losses
from services.prober.engine.offers import Expected
from services.prober.engine.own_address import ClaimHandler, OperatorAddress
from services.prober.engine.pacing import PacedQueue
from services.prober.engine.reachability import ARPCheck, CheckCallback, CheckContext, EchoCheck
from services.prober.engine.results import DHCPOffer, SegmentResult
from services.prober.engine.trunk_state import AddressClaim, Timestamped, TrunkState
from services.prober.engine.untagged import UntaggedAnswers, explain_silence
from services.prober.frames import arp, ethernet, icmp, ipv4
from services.prober.frames.arp import ARPMessage
from services.prober.frames.dhcp_frames import DHCPFrameReader
from services.prober.frames.ethernet import Station
from services.prober.frames.ignore_reasons import IgnoreReason

_PROTOCOL_AT: Final = 23
# Module constants, because a flood consists of these, and an attribute of an enum is looked up by name.
_ETHERTYPE: Final = IgnoreReason.ETHERTYPE
_ARP_UNSOLICITED: Final = IgnoreReason.ARP_UNSOLICITED
_ECHO_UNSOLICITED: Final = IgnoreReason.ECHO_UNSOLICITED
_DHCP_UNSOLICITED: Final = IgnoreReason.DHCP_UNSOLICITED


class Trunk:
    """The probes of one cluster network."""

    def __init__(self, state: TrunkState) -> None:
        self._state = state
        timers, settings, losses = state.timers, state.settings, state.losses
        self._arp_context = CheckContext(timers, state.arp_pace, settings, losses)
        # ICMP echoes on a VLAN follow its DHCP exchange, so the same rate is enough.
        self._echo_context = CheckContext(timers, PacedQueue(timers, settings.start_rate), settings, losses)
        self._dhcp_reader = DHCPFrameReader()
        self._discoveries: dict[Discovery, None] = {}
        self._leases: dict[LeasedAddress, None] = {}
        self._operator_claims: dict[OperatorAddress, None] = {}
        self._arp_checks: dict[tuple[int, int], ARPCheck] = {}
        self.answers = Answers(state.identity)
        self._echo_checks: dict[tuple[int, int], EchoCheck] = {}
        self._untagged = UntaggedAnswers(state, self._dhcp_reader, self._arp_checks)

    @property
    def identity(self) -> Identity:
        """The MAC addresses and client identifiers on this trunk."""
        return self._state.identity

    @property
    def losses(self) -> Losses:
        """The evidence of lost frames on this trunk."""
        return self._state.losses

    @property
    def ignored(self) -> Counter[IgnoreReason]:
        """Received frames that were ignored, by reason."""
        return self._state.ignored

    @property
    def allowed_servers(self) -> frozenset[int]:
        """Addresses of the DHCP servers that are legitimate; see EngineSettings."""
        return self._state.settings.allowed_servers

    @property
    def untagged(self) -> bool:
        """Whether anything was answered without a tag so far."""
        return bool(self._state.untagged)

    def explain_silence(self, result: SegmentResult, *, since: float, now: float) -> SegmentResult:
        """Return the result with what was heard untagged; see untagged.explain_silence."""
        return explain_silence(self._state, result, since=since, now=now)

    def take_frames(self) -> list[tuple[bytes, Timestamped | None]]:
        """Remove and return the tagged frames to send, in order, each with the receiver of its send time."""
        state = self._state
        outbox, state.outbox = state.outbox, []
        return outbox

    def take_claims(self, *, limit: int) -> frozenset[int] | None:
        """Return the addresses whose ARP requests must be received; None if unchanged since the last call.

        limit: how many addresses a packet filter can hold. If more are claimed, limit + 1 are returned.
        """
        if not self._state.claims_changed:
            return None
        self._state.claims_changed = False
        addresses: set[int] = set()
        for _, address in self._state.claims:
            addresses.add(address)
            if len(addresses) > limit:
                break
        return frozenset(addresses)

    def station(self, vlan: int) -> Station:
        """Return our station on a VLAN."""
        return self._state.identity.station(vlan)

    def discover(
        self,
        station: Station,
        *,
        expected: list[Expected],
        offers: list[DHCPOffer],
        handler: DiscoveryHandler,
        now: float,
    ) -> None:
        """Start a Discovery, which says more of the arguments, as soon as the rate limit allows."""
        discovery = Discovery(
            self._state,
            station=station,
            expected=expected,
            offers=offers,
            handler=handler,
            discoveries=self._discoveries,
        )
        self._state.start_pace.submit(now, discovery.start)

    def lease(
        self, station: Station, offer: DHCPOffer, *, handler: LeaseHandler, now: float
    ) -> LeasedAddress:
        """Request the offered address."""
        address = LeasedAddress(
            self._state, station=station, offer=offer, handler=handler, leases=self._leases
        )
        address.start(now)
        return address

    def claim_address(
        self, station: Station, address: int, *, handler: ClaimHandler, now: float
    ) -> OperatorAddress:
        """Probe for an address that the operator gave this host; if it is free, use it until its release."""
        claim = OperatorAddress(
            self._state, station=station, address=address, handler=handler, claims=self._operator_claims
        )
        claim.start(now)
        return claim

    def is_sender_untried(self, station: Station, gateway: int) -> bool:
        """Return whether the gateway is to be asked from 0.0.0.0 for the first time."""
        state = self._state
        return state.settings.tries_without_address and state.senders.is_untried((station.vlan, gateway))

    def check_gateway(
        self, station: Station, gateway: int, *, source: int, callback: CheckCallback, now: float
    ) -> None:
        """Check the gateway by ARP, or wait for the check that is open already.

        source: our address on the VLAN, or 0.
        """
        check = self._arp_checks.get((station.vlan, gateway))
        if check is not None:
            check.add_callback(callback)
            return
        check = ARPCheck(gateway, self._arp_context, self._state, station, source, self._arp_checks, callback)
        check.start(now)

    def echo_gateway(
        self,
        station: Station,
        gateway: int,
        *,
        gateway_mac: bytes,
        source: int,
        callback: CheckCallback,
        now: float,
    ) -> None:
        """Check the gateway by ICMP echo from source, or wait for the check that is open already."""
        check = self._echo_checks.get((station.vlan, gateway))
        if check is not None:
            check.add_callback(callback)
            return
        check = EchoCheck(
            gateway,
            self._echo_context,
            self._state,
            station,
            source,
            gateway_mac,
            self._echo_checks,
            callback,
        )
        check.start(now)

    def frames_lost(self, now: float, *, wait_s: float = 0.0) -> None:
        """Repeat what is unanswered, after wait_s or later: this host has lost frames."""
        for discovery in list(self._discoveries):
            discovery.frames_lost(now, wait_s=wait_s)

    def flush(self, now: float) -> None:
        """Send what must still be sent, whatever the rates: no timer runs any more."""
        self._state.flush(now)

    def discard_frames(self) -> None:
        """Drop the frames that were to be sent."""
        self._state.outbox.clear()

    def abandon(self, now: float) -> None:
        """End every open probe."""
        for discovery in list(self._discoveries):
            discovery.abandon(now)
        for lease in list(self._leases):
            lease.abandon(now)
        for claim in list(self._operator_claims):
            claim.abandon(now)
        for check in [*self._arp_checks.values(), *self._echo_checks.values()]:
            check.abandon(now)

    def receive(self, vlan: int, frame: bytes, *, verify_checksum: bool, now: float) -> None:
        """Handle a frame, without its tag, that arrived at this time.

        vlan: 0 without a tag. verify_checksum: False if the UDP checksum may be incomplete (offload).
        """
        if not vlan:
            self._untagged.receive(frame, verify_checksum=verify_checksum, now=now)
            return
        kind = frame[12:14]
        if kind == ethernet.TYPE_ARP:
            self._receive_arp(vlan, frame, now)
        elif kind != ethernet.TYPE_IPV4:
            self._state.ignored[_ETHERTYPE] += 1
        elif len(frame) > _PROTOCOL_AT and frame[_PROTOCOL_AT] == ipv4.PROTOCOL_ICMP:
            self._receive_echo(vlan, frame, now)
        else:
            self._receive_dhcp(vlan, frame, verify_checksum, now)

    def _receive_arp(self, vlan: int, frame: bytes, now: float) -> None:
        state = self._state
        message = arp.parse(frame)
        if message is None:
            state.ignored[IgnoreReason.ARP_MALFORMED] += 1
            return
        if state.claims:
            self._defend_claims(vlan, message, now)
        key = vlan, message.sender
        check = self._arp_checks.get(key)
        if message.operation != arp.REPLY:
            state.ignored[_ARP_UNSOLICITED] += 1
        elif check is not None and message.target_mac == check.station.mac:
            if check.is_asked:
                # First: the answer may end the segment's probe.
                self.answers.first(key, frame, now)
            check.answered(now, mac=message.sender_mac)
        elif check is not None or not self.answers.another(key, frame, now):
            state.ignored[_ARP_UNSOLICITED] += 1

    def _defend_claims(self, vlan: int, message: ARPMessage, now: float) -> None:
        """Reply to requests for an address that we use, and detect conflicts (RFC 5227 section 2)."""
        state = self._state
        claim = state.claims.get((vlan, message.sender))
        if claim is not None and message.sender_mac != claim.station.mac:
            claim.conflict_detected(message.sender_mac, now)
        claim = state.claims.get((vlan, message.target))
        if claim is None or message.operation != arp.REQUEST or message.sender_mac == claim.station.mac:
            return
        if not message.sender and not claim.in_use:
            # Another station probes for the address that we probe for (RFC 5227 section 2.1.1).
            claim.conflict_detected(message.sender_mac, now)
        else:
            state.reply(lambda: self._send_arp_reply(claim, message), now)

    def _send_arp_reply(self, claim: AddressClaim, request: ARPMessage) -> None:
        if claim.in_use:
            frame = self._state.templates.arp.render_reply(
                station=claim.station, address=request.target, request=request
            )
            self._state.outbox.append((frame, None))

    def _receive_echo(self, vlan: int, frame: bytes, now: float) -> None:
        reply = icmp.parse_reply(frame, start=ethernet.HEADER_BYTES, verify_header=True)
        check = None if reply is None else self._echo_checks.get((vlan, reply.source))
        if reply is None or check is None or frame[: ethernet.MAC_BYTES] != check.station.mac:
            self._state.ignored[_ECHO_UNSOLICITED] += 1
        elif not check.replied(reply, now):
            self._state.ignored[IgnoreReason.ECHO_MISMATCH] += 1

    def _receive_dhcp(self, vlan: int, frame: bytes, verify_checksum: bool, now: float) -> None:
        state = self._state
        reply = self._dhcp_reader.read(frame, verify_checksum=verify_checksum, xids=state.transactions)
        if isinstance(reply, IgnoreReason):
            state.ignored[reply] += 1
            return
        transaction = state.transactions.get(reply.xid)
        if transaction is None or transaction.exchange.station.vlan != vlan:
            state.ignored[_DHCP_UNSOLICITED] += 1
        elif reply.chaddr != transaction.exchange.station.mac:
            state.ignored[IgnoreReason.DHCP_OTHER_CLIENT] += 1
        else:
            mac = frame[ethernet.MAC_BYTES : 2 * ethernet.MAC_BYTES]
            transaction.exchange.replied(transaction, reply, mac=mac, now=now)
