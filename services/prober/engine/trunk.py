"""One uplink: the questions that are open on its VLANs, the frames that go out, and what comes back.

Pure: frames are bytes in and out, and time is an argument. What does not match a exchange changes nothing.
"""

import random
from collections import Counter
from typing import Final

from services.prober.engine.discovery import Discovery, DiscoveryHandler
from services.prober.engine.gateway_checks import ARPCheck, EchoCheck
from services.prober.engine.identity import Identity
from services.prober.engine.lease import LeasedAddress, LeaseHandler
from services.prober.engine.losses import Losses
from services.prober.engine.operator_address import OperatorAddress
from services.prober.engine.reachability import Done
from services.prober.engine.results import DHCPOffer
from services.prober.engine.settings import EngineSettings
from services.prober.engine.timers import Timers
from services.prober.engine.trunk_state import AddressClaim, Timestamped, TrunkState
from services.prober.frames import arp, ethernet, icmp, ipv4
from services.prober.frames.arp import ARPMessage
from services.prober.frames.dhcp_frames import DHCPFrameReader
from services.prober.frames.ignore_reasons import IgnoreReason
from services.prober.frames.station import Station
from services.prober.frames.templates import Templates

_PROTOCOL_AT: Final = 23
# Constants of the module: a flood is made of these, and an enum's attribute costs a lookup by name.
_ETHERTYPE: Final = IgnoreReason.ETHERTYPE
_ARP_UNSOLICITED: Final = IgnoreReason.ARP_UNSOLICITED
_ECHO_UNSOLICITED: Final = IgnoreReason.ECHO_UNSOLICITED
_DHCP_UNSOLICITED: Final = IgnoreReason.DHCP_UNSOLICITED


class Trunk:
    """All segments of one cluster network at once."""

    def __init__(
        self,
        *,
        identity: Identity,
        templates: Templates,
        settings: EngineSettings,
        timers: Timers,
        randomness: random.Random,
    ) -> None:
        self._trunk = TrunkState(
            identity=identity, templates=templates, settings=settings, timers=timers, randomness=randomness
        )
        self._dhcp_frames = DHCPFrameReader()
        self._discoveries: dict[Discovery, None] = {}
        self._leases: dict[LeasedAddress, None] = {}
        self._arp_checks: dict[tuple[int, int], ARPCheck] = {}
        self._echo_checks: dict[tuple[int, int], EchoCheck] = {}

    @property
    def identity(self) -> Identity:
        """Who we are here."""
        return self._trunk.identity

    @property
    def losses(self) -> Losses:
        """What was lost here."""
        return self._trunk.losses

    @property
    def ignored(self) -> Counter[IgnoreReason]:
        """Received frames that were ignored, by reason."""
        return self._trunk.ignored

    @property
    def allowed_servers(self) -> frozenset[int]:
        """DHCP servers that are no rogues."""
        return self._trunk.settings.allowed_servers

    def take_frames(self) -> list[tuple[bytes, Timestamped | None]]:
        """The tagged frames to send, in order, each with who wants to know when it left; the caller's now."""
        trunk = self._trunk
        outbox, trunk.outbox = trunk.outbox, []
        return outbox

    def take_claims(self, *, limit: int) -> frozenset[int] | None:
        """Return the addresses whose ARP requests must be received; None if unchanged since the last call.

        limit: how many addresses a packet filter can hold. If more are claimed, limit + 1 are returned.
        """
        if not self._trunk.claims_changed:
            return None
        self._trunk.claims_changed = False
        addresses: set[int] = set()
        for _, address in self._trunk.claims:
            addresses.add(address)
            if len(addresses) > limit:
                break
        return frozenset(addresses)

    def station(self, vlan: int) -> Station:
        """Who we are on this VLAN: what the rest is asked as."""
        return self._trunk.identity.station(vlan)

    def ask_dhcp(
        self, station: Station, *, required: frozenset[int], handler: DiscoveryHandler, now: float
    ) -> None:
        """Ask who offers an address, as soon as the pace allows; see Discovery."""
        trunk = self._trunk
        discovery = Discovery(
            trunk, station=station, required=required, handler=handler, discoveries=self._discoveries
        )
        trunk.start_pace.submit(now, discovery.start)

    def take_lease(
        self, station: Station, offer: DHCPOffer, *, handler: LeaseHandler, now: float
    ) -> LeasedAddress:
        """Ask for what was offered; see LeasedAddress."""
        lease = LeasedAddress(
            self._trunk,
            station=station,
            offer=offer,
            handler=handler,
            leases=self._leases,
        )
        lease.start(now)
        return lease

    def use_address(self, station: Station, address: int) -> OperatorAddress:
        """Answer ARP for an address that the operator gave us, until it is released."""
        return OperatorAddress(self._trunk, station=station, address=address)

    def check_gateway(self, station: Station, gateway: int, *, source: int, done: Done, now: float) -> None:
        """Ask by ARP whether the gateway is on this VLAN; one check serves all who ask meanwhile.

        source: our own address there, or 0.
        """
        check = self._arp_checks.get((station.vlan, gateway))
        if check is not None:
            check.wait(done)
            return
        ARPCheck(gateway, self._trunk, station, source, self._arp_checks, done).start(now)

    def echo_gateway(
        self, station: Station, gateway: int, *, gateway_mac: bytes, source: int, done: Done, now: float
    ) -> None:
        """Ask by ICMP echo from an address of ours on this VLAN; one check serves all who ask meanwhile."""
        check = self._echo_checks.get((station.vlan, gateway))
        if check is not None:
            check.wait(done)
            return
        EchoCheck(gateway, self._trunk, station, source, gateway_mac, self._echo_checks, done).start(now)

    def frames_lost(self, now: float, *, wait_s: float = 0.0) -> None:
        """Frames were lost on this host: what waits for an answer is asked again, after wait_s or later."""
        for discovery in list(self._discoveries):
            discovery.frames_lost(now, wait_s=wait_s)

    def discard_frames(self) -> None:
        """What was to be sent will not be."""
        self._trunk.outbox.clear()

    def abandon(self, now: float) -> None:
        """End every open exchange."""
        for discovery in list(self._discoveries):
            discovery.abandon(now)
        for lease in list(self._leases):
            lease.abandon(now)
        for check in [*self._arp_checks.values(), *self._echo_checks.values()]:
            check.abandon(now)

    def receive(self, vlan: int, frame: bytes, *, verify_checksum: bool, now: float) -> None:
        """Take one frame, without its tag, that came at this time.

        verify_checksum: False where it may be unfinished.
        """
        kind = frame[12:14]
        if kind == ethernet.TYPE_ARP:
            self._receive_arp(vlan, frame, now)
        elif kind != ethernet.TYPE_IPV4:
            self._trunk.ignored[_ETHERTYPE] += 1
        elif len(frame) > _PROTOCOL_AT and frame[_PROTOCOL_AT] == ipv4.PROTOCOL_ICMP:
            self._receive_echo(vlan, frame, now)
        else:
            self._receive_dhcp(vlan, frame, verify_checksum, now)

    def _receive_arp(self, vlan: int, frame: bytes, now: float) -> None:
        trunk = self._trunk
        message = arp.parse(frame)
        if message is None:
            trunk.ignored[IgnoreReason.ARP_MALFORMED] += 1
            return
        if trunk.claims:
            self._defend(vlan, message, now)
        check = self._arp_checks.get((vlan, message.sender))
        if check is None or message.operation != arp.REPLY or message.target_mac != check.station.mac:
            trunk.ignored[_ARP_UNSOLICITED] += 1
            return
        check.answered(now, mac=message.sender_mac)

    def _defend(self, vlan: int, message: ARPMessage, now: float) -> None:
        """Answer who asks for an address of ours, and hear of others who have it."""
        trunk = self._trunk
        claim = trunk.claims.get((vlan, message.sender))
        if claim is not None and message.sender_mac != claim.station.mac:
            claim.conflict_detected(message.sender_mac, now)
        claim = trunk.claims.get((vlan, message.target))
        if claim is None or message.operation != arp.REQUEST or message.sender_mac == claim.station.mac:
            return
        if not message.sender and not claim.held:
            # Somebody probes for the very address that we probe for (RFC 5227 section 2.1.1).
            claim.conflict_detected(message.sender_mac, now)
        else:
            trunk.arp_pace.submit(now, lambda _: self._tell_owner(claim, message))

    def _tell_owner(self, claim: AddressClaim, message: ARPMessage) -> None:
        if claim.held:
            frame = self._trunk.templates.arp.reply(station=claim.station, address=message.target, to=message)
            self._trunk.outbox.append((frame, None))

    def _receive_echo(self, vlan: int, frame: bytes, now: float) -> None:
        reply = icmp.parse_reply(frame, start=ethernet.HEADER_BYTES, verify_header=True)
        check = None if reply is None else self._echo_checks.get((vlan, reply.source))
        if reply is None or check is None or frame[: ethernet.MAC_BYTES] != check.station.mac:
            self._trunk.ignored[_ECHO_UNSOLICITED] += 1
        elif not check.replied(reply, now):
            self._trunk.ignored[IgnoreReason.ECHO_MISMATCH] += 1

    def _receive_dhcp(self, vlan: int, frame: bytes, verify_checksum: bool, now: float) -> None:
        trunk = self._trunk
        reply = self._dhcp_frames.read(frame, verify_checksum=verify_checksum, xids=trunk.transactions)
        if isinstance(reply, IgnoreReason):
            trunk.ignored[reply] += 1
            return
        attempt = trunk.transactions.get(reply.xid)
        if attempt is None or attempt.exchange.station.vlan != vlan:
            trunk.ignored[_DHCP_UNSOLICITED] += 1
        elif reply.chaddr != attempt.exchange.station.mac:
            trunk.ignored[IgnoreReason.DHCP_OTHER_CLIENT] += 1
        else:
            attempt.exchange.replied(
                attempt, reply, mac=frame[ethernet.MAC_BYTES : 2 * ethernet.MAC_BYTES], now=now
            )
