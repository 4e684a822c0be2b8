"""An address that the operator gave this host on a VLAN: used like a leased one, and never given back."""

from services.prober.engine.trunk_state import Line
from services.prober.frames.ignore_reasons import IgnoreReason
from services.prober.frames.station import Station


class OperatorAddress:
    """ARP requests for it are answered until it is released. See line.Claim."""

    __slots__ = ("_address", "_line", "held", "station")

    def __init__(self, line: Line, *, station: Station, address: int) -> None:
        self.station = station
        self.held = True
        self._line = line
        self._address = address
        line.claim(self, address)

    def contested(self, _mac: bytes, _now: float) -> None:
        """It is the operator's word against somebody's ARP: go on."""
        self._line.ignored[IgnoreReason.ARP_OPERATOR_ADDRESS] += 1

    def release(self, _: float) -> None:
        """Answer for it no more."""
        self.held = False
        self._line.unclaim(self, self._address)
