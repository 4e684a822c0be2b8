"""The two ways to ask a gateway on its VLAN: ARP, and ICMP echo from an address that is ours there."""

from services.prober.engine.reachability import Done, ReachCheck
from services.prober.engine.trunk_state import Line
from services.prober.frames import icmp
from services.prober.frames.icmp import EchoReply
from services.prober.frames.station import Station


class ARPCheck(ReachCheck):
    """Who has the gateway's address? Asked without claiming one (RFC 5227), or from the one that is ours."""

    __slots__ = ("_checks", "_line", "_source", "station")

    def __init__(
        self,
        gateway: int,
        line: Line,
        station: Station,
        source: int,
        checks: "dict[tuple[int, int], ARPCheck]",
        done: Done,
    ) -> None:
        """source: our address there, or 0. checks: where it stands until it ends."""
        ReachCheck.__init__(self, gateway, line.arp_path, done)
        self.station = station
        self._line = line
        self._source = source
        self._checks = checks
        checks[station.vlan, gateway] = self

    def _send(self, _: float) -> None:
        line = self._line
        frame = line.templates.arp.render(station=self.station, target=self.gateway, sender=self._source)
        line.outbox.append((frame, self))

    def _ended(self) -> None:
        del self._checks[self.station.vlan, self.gateway]


class EchoCheck(ReachCheck):
    """ICMP echo on the VLAN, straight to the gateway's MAC address: no routing table of ours takes part."""

    __slots__ = ("_checks", "_gateway_mac", "_line", "_sent", "_source", "station")

    def __init__(
        self,
        gateway: int,
        line: Line,
        station: Station,
        source: int,
        gateway_mac: bytes,
        checks: "dict[tuple[int, int], EchoCheck]",
        done: Done,
    ) -> None:
        """source: our address there. checks: where it stands until it ends."""
        ReachCheck.__init__(self, gateway, line.echo_path, done)
        self.station = station
        self._line = line
        self._source = source
        self._gateway_mac = gateway_mac
        self._sent: list[tuple[bytes, float]] = []
        self._checks = checks
        checks[station.vlan, gateway] = self

    def replied(self, reply: EchoReply, now: float) -> bool:
        """Take an echo reply from the gateway; whether it is one of ours."""
        if reply.identifier != self._line.echo_identifier or reply.destination != self._source:
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
        line = self._line
        nonce = line.random.getrandbits(8 * icmp.NONCE_BYTES).to_bytes(icmp.NONCE_BYTES, "big")
        self._sent.append((nonce, now))
        frame = line.templates.echo_frame.render(
            station=self.station,
            gateway_mac=self._gateway_mac,
            source=self._source,
            destination=self.gateway,
            identifier=self._line.echo_identifier,
            sequence=len(self._sent),
            nonce=nonce,
        )
        line.outbox.append((frame, self))

    def _ended(self) -> None:
        del self._checks[self.station.vlan, self.gateway]
