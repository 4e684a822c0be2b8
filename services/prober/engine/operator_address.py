"""An address that the operator gave this host on a VLAN: used like a leased one, and never given back."""

from services.prober.engine.trunk_state import TrunkState
from services.prober.frames.ignore_reasons import IgnoreReason
from services.prober.frames.station import Station


class OperatorAddress:
    """ARP requests for it are answered until it is released. See trunk.AddressClaim."""

    __slots__ = ("_address", "_trunk", "held", "station")

    def __init__(self, trunk: TrunkState, *, station: Station, address: int) -> None:
        self.station = station
        self.held = True
        self._trunk = trunk
        self._address = address
        trunk.claim(self, address)

    def conflict_detected(self, _mac: bytes, _now: float) -> None:
        """It is the operator's word against somebody's ARP: go on."""
        self._trunk.ignored[IgnoreReason.ARP_OPERATOR_ADDRESS] += 1

    def release(self, _: float) -> None:
        """Answer for it no more."""
        self.held = False
        self._trunk.unclaim(self, self._address)
