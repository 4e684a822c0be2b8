"""Addresses that the operator gave this host on a VLAN, and for which gateways an address of ours is used."""

from typing import Protocol

from services.prober.engine.results import DHCPOffer, LeaseResult
from services.prober.engine.timers import Timer
from services.prober.engine.trunk_state import TrunkState
from services.prober.frames.ethernet import Station


class ClaimHandler(Protocol):
    """Receives whether an address of the operator may be used."""

    def claimed(self, owner: bytes | None, is_free: bool, now: float) -> None:
        """Handle the result; called once, and again if another station takes the address while it is in use.

        owner: the MAC address of the station that has it; None if it is free, or was not checked to the end.
        """
        ...


class OwnSource:
    """Our address on a VLAN, and the gateways that are asked from it.

    From outside its subnet a gateway may not answer it, so others are asked from 0.0.0.0.
    """

    __slots__ = ("_address", "_mask", "_named")

    def __init__(self, address: int, *, prefix: int | None, named: int | None = None) -> None:
        """prefix: of the subnet; None if it is unknown, and every gateway is asked from the address. named:
        the gateway that came with a lease, which counts wherever it is (RFC 3442)."""
        self._address = address
        self._mask = 0 if prefix is None else 0xFFFFFFFF << (32 - prefix) & 0xFFFFFFFF
        self._named = named

    def toward(self, gateway: int) -> int:
        """Return the address to ask this gateway from; 0 for 0.0.0.0."""
        is_inside = not (gateway ^ self._address) & self._mask
        return self._address if is_inside or gateway == self._named else 0


def leased_source(result: LeaseResult) -> OwnSource:
    """Return the source that a lease gives us."""
    offer: DHCPOffer | None = result.acknowledged or result.requested
    if offer is None:
        return OwnSource(result.address, prefix=None)
    return OwnSource(result.address, prefix=offer.prefix, named=offer.usable_gateway)


class OperatorAddress:
    """An address that the operator gave this host on a VLAN: used like a leased one, without a server.

    It is probed first (RFC 5227 section 2.1), and not used if another station has it.
    """

    __slots__ = (
        "_address",
        "_claims",
        "_ended",
        "_handler",
        "_probes",
        "_timer",
        "_trunk",
        "in_use",
        "station",
    )

    def __init__(
        self,
        trunk: TrunkState,
        *,
        station: Station,
        address: int,
        handler: ClaimHandler,
        claims: "dict[OperatorAddress, None]",
    ) -> None:
        """claims: the trunk's open claims, to which this one belongs until its end."""
        self.station = station
        self.in_use = False
        """Whether ARP requests for it are answered."""
        self._trunk = trunk
        self._address = address
        self._handler = handler
        self._claims = claims
        self._probes = 0
        self._ended = False
        self._timer: Timer | None = None

    def start(self, now: float) -> None:
        """Send the first ARP probe."""
        self._claims[self] = None
        self._trunk.claim(self, self._address)
        self._probe(now)

    def conflict_detected(self, mac: bytes, now: float) -> None:
        """Give the address up: another station has it, or probes for it."""
        if not self._ended:
            self._end()
            self._handler.claimed(mac, False, now)

    def release(self, _now: float) -> None:
        """Stop answering ARP requests for the address; harmless when called again."""
        self._end()

    def abandon(self, now: float) -> None:
        """End: the uplink has failed."""
        if not self._ended:
            is_decided = self.in_use
            self._end()
            if not is_decided:
                self._handler.claimed(None, False, now)

    def _probe(self, now: float) -> None:
        if self._ended:
            return
        if self._probes >= self._trunk.settings.conflict_probes:
            self.in_use = True
            self._handler.claimed(None, True, now)
            return
        self._probes += 1
        self._trunk.arp_pace.submit(now, self._send_probe, begun=self._probes > 1)

    def _send_probe(self, now: float) -> None:
        if not self._ended:
            trunk = self._trunk
            frame = trunk.templates.arp.render(station=self.station, target=self._address)
            trunk.outbox.append((frame, None))
            self._timer = trunk.timers.at(now + trunk.settings.conflict_interval_s, self._probe)

    def _end(self) -> None:
        self._ended, self.in_use = True, False
        self._trunk.unclaim(self, self._address)
        self._claims.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
