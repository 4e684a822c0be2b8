"""Checks of a gateway on its VLAN: ARP, and ICMP echo from an address that is ours there."""

from services.prober.engine.reachability import Done, GatewayCheck
from services.prober.engine.trunk_state import TrunkState
from services.prober.frames import icmp
from services.prober.frames.icmp import EchoReply
from services.prober.frames.station import Station


class ARPCheck(GatewayCheck):
    """ARP requests for the gateway, as RFC 5227 probes or from an address of ours."""

    __slots__ = ("_checks", "_source", "_trunk", "station")

    def __init__(
        self,
        gateway: int,
        trunk: TrunkState,
        station: Station,
        source: int,
        checks: "dict[tuple[int, int], ARPCheck]",
        done: Done,
    ) -> None:
        """source: our address there, or 0. checks: where it stands until it ends."""
        GatewayCheck.__init__(self, gateway, trunk.arp_context, done)
        self.station = station
        self._trunk = trunk
        self._source = source
        self._checks = checks
        checks[station.vlan, gateway] = self

    def _send(self, _: float) -> None:
        trunk = self._trunk
        frame = trunk.templates.arp.render(station=self.station, target=self.gateway, sender=self._source)
        trunk.outbox.append((frame, self))

    def _ended(self) -> None:
        del self._checks[self.station.vlan, self.gateway]


class EchoCheck(GatewayCheck):
    """ICMP echo on the VLAN, straight to the gateway's MAC address: no routing table of ours takes part."""

    __slots__ = ("_checks", "_gateway_mac", "_sent", "_source", "_trunk", "station")

    def __init__(
        self,
        gateway: int,
        trunk: TrunkState,
        station: Station,
        source: int,
        gateway_mac: bytes,
        checks: "dict[tuple[int, int], EchoCheck]",
        done: Done,
    ) -> None:
        """source: our address there. checks: where it stands until it ends."""
        GatewayCheck.__init__(self, gateway, trunk.echo_context, done)
        self.station = station
        self._trunk = trunk
        self._source = source
        self._gateway_mac = gateway_mac
        self._sent: list[tuple[bytes, float]] = []
        self._checks = checks
        checks[station.vlan, gateway] = self

    def replied(self, reply: EchoReply, now: float) -> bool:
        """Take an echo reply from the gateway; whether it is one of ours."""
        if reply.identifier != self._trunk.echo_identifier or reply.destination != self._source:
            return False
        if not 1 <= reply.sequence <= len(self._sent):
            return False
        nonce, sent_at = self._sent[reply.sequence - 1]
        if nonce != reply.nonce:
            return False
        # When the last one really left, the link has noted.
        self.answered(now, sent=sent_at if reply.sequence < len(self._sent) else None)
        return True

    def _send(self, now: float) -> None:
        trunk = self._trunk
        nonce = trunk.random.getrandbits(8 * icmp.NONCE_BYTES).to_bytes(icmp.NONCE_BYTES, "big")
        self._sent.append((nonce, now))
        frame = trunk.templates.echo_frame.render(
            station=self.station,
            gateway_mac=self._gateway_mac,
            source=self._source,
            destination=self.gateway,
            identifier=self._trunk.echo_identifier,
            sequence=len(self._sent),
            nonce=nonce,
        )
        trunk.outbox.append((frame, self))

    def _ended(self) -> None:
        del self._checks[self.station.vlan, self.gateway]
