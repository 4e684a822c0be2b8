"""The switch port of each NIC behind an uplink, as the switch announces it by LLDP."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from pydantic import TypeAdapter, ValidationError

from services.contract.member_nics import MAX_CARRIED, MAX_MEMBERS, LLDPState, MemberNIC, SwitchPort
from services.contract.wire import InterfaceName
from services.prober.frames import lldp
from services.prober.frames.lldp import Neighbour
from services.prober.sockets.lldp_socket import LLDPSocket
from services.prober.sockets.members import read_members
from services.prober.sockets.netlink import InterfaceState, read_state
from services.runtime.process.clock import Clock

log = structlog.get_logger(__name__)

_NAME = TypeAdapter(InterfaceName)

MEMBERS_S = 10.0
"""Interval at which the members of the bonds and their carriers are read."""
SILENT_AFTER_S = 120.0
"""Four times the interval at which switches send, by default (IEEE 802.1AB, msgTxInterval)."""
MAX_TTL_S = 3_600
"""Longer is not believed: an invented sender would stay for 18 hours."""
MAX_NEIGHBOURS = 8
"""Senders that are kept for one NIC; of more, those that were heard last."""


class FrameSource(Protocol):
    """What LLDPSocket is; for tests."""

    def receive(self) -> list[bytes]: ...

    def close(self) -> None: ...


@dataclass
class _Heard:
    """One sender, its place in the order in which they were heard first, and when it was heard last."""

    neighbour: Neighbour
    place: int
    last_at: float

    def is_over(self, now: float) -> bool:
        return now - self.last_at >= min(self.neighbour.ttl_s, MAX_TTL_S)


@dataclass
class _NIC:
    """What is known of one NIC."""

    since: float
    """When its silence began."""
    carried: tuple[str, ...] = ()
    socket: FrameSource | None = None
    state: InterfaceState | None = None
    heard: dict[bytes, _Heard] = field(default_factory=dict)
    port: SwitchPort | None = None

    @property
    def is_down(self) -> bool:
        return self.state is not None and not self.state.up

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None


class SwitchPorts:
    """Listens for LLDP on every member of the uplinks. Not thread-safe; nothing blocks."""

    def __init__(
        self,
        *,
        clock: Clock,
        is_listening: bool = True,
        members: Callable[[str], tuple[str, ...]] = read_members,
        state: Callable[[str], InterfaceState | None] = read_state,
        open_socket: Callable[[str], FrameSource] = LLDPSocket,
    ) -> None:
        """is_listening: False only finds the members. members, state: see the defaults; may raise OSError."""
        self._clock = clock
        self._is_listening = is_listening
        self._members = members
        self._state = state
        self._open_socket = open_socket
        self._uplinks: Mapping[str, str] = {}
        self._found_at: float | None = None
        self._nics: dict[str, _NIC] = {}
        self._places = itertools.count()

    def poll(self, uplinks: Mapping[str, str]) -> tuple[MemberNIC, ...]:
        """Take what has arrived; return the NICs behind these uplinks, sorted, each with its switch port."""
        now = self._clock.monotonic()
        if uplinks != self._uplinks or self._found_at is None or now - self._found_at >= MEMBERS_S:
            self._uplinks, self._found_at = dict(uplinks), now
            self._find(now)
        return tuple(self._describe(name, nic, now) for name, nic in sorted(self._nics.items()))

    def close(self) -> None:
        """Close all sockets."""
        for nic in self._nics.values():
            nic.close()
        self._nics = {}

    def _find(self, now: float) -> None:
        """Find the members, and open and close sockets as they come and go."""
        carried: dict[str, list[str]] = {}
        for cluster_network, interface in sorted(self._uplinks.items()):
            try:
                names = self._members(interface)
            except OSError:
                # The uplink is gone, which its probes report.
                continue
            for name in filter(_is_name, names):
                carried.setdefault(name, []).append(cluster_network)
        kept = dict(sorted(carried.items())[:MAX_MEMBERS])
        for name in self._nics.keys() - kept.keys():
            self._nics.pop(name).close()
        for name, networks in kept.items():
            nic = self._nics.setdefault(name, _NIC(since=now))
            nic.carried = tuple(networks[:MAX_CARRIED])
            if self._is_listening:
                self._listen(name, nic, now)

    def _listen(self, name: str, nic: _NIC, now: float) -> None:
        try:
            state = self._state(name)
            if state != nic.state:
                self._changed(nic, state, now)
            if state is not None and nic.socket is None:
                nic.socket = self._open_socket(name)
        except OSError as error:
            log.debug("not listening for LLDP", interface=name, error=str(error))
            nic.close()

    def _changed(self, nic: _NIC, state: InterfaceState | None, now: float) -> None:
        """Forget what was heard: the cable may be in another port, or the name another NIC's."""
        is_same = nic.state is not None and state is not None and nic.state.index == state.index
        if not is_same:
            nic.close()
        nic.state, nic.heard, nic.since = state, {}, now
        if not (is_same and nic.is_down):
            nic.port = None

    def _describe(self, name: str, nic: _NIC, now: float) -> MemberNIC:
        if nic.socket is not None:
            try:
                self._take(nic, nic.socket.receive(), now)
            except OSError as error:
                log.debug("LLDP not received", interface=name, error=str(error))
                nic.close()
        return MemberNIC(
            interface=name,
            cluster_networks=nic.carried,
            lldp=self._state_of(nic, now),
            port=nic.port if nic.socket is not None else None,
        )

    def _state_of(self, nic: _NIC, now: float) -> LLDPState:
        if not self._is_listening:
            return LLDPState.OFF
        if nic.socket is None:
            return LLDPState.FAILED
        if nic.is_down:
            return LLDPState.DOWN
        if nic.port is not None:
            return LLDPState.HEARD
        return LLDPState.SILENT if now - nic.since >= SILENT_AFTER_S else LLDPState.WAITING

    def _take(self, nic: _NIC, frames: Iterable[bytes], now: float) -> None:
        for frame in frames:
            found = lldp.parse(frame)
            if found is None:
                continue
            nic.since = now
            known = nic.heard.pop(found.identity, None)
            # Last in the order, which is that of the last frames.
            nic.heard[found.identity] = _Heard(found, known.place if known else next(self._places), now)
            if len(nic.heard) > MAX_NEIGHBOURS:
                del nic.heard[next(iter(nic.heard))]
        nic.heard = {key: heard for key, heard in nic.heard.items() if not heard.is_over(now)}
        if not nic.is_down:
            nic.port = _port(nic.heard.values())


def _is_name(name: str) -> bool:
    """Return whether an interface's name can be announced: the kernel allows others, too."""
    try:
        return bool(_NAME.validate_python(name))
    except ValidationError:
        return False


def _port(heard: Iterable[_Heard]) -> SwitchPort | None:
    """Return the port of the sender that is most likely the switch; None without any."""
    senders = sorted(heard, key=lambda each: (not each.neighbour.forwards, each.place))
    if not senders:
        return None
    found = senders[0].neighbour
    return SwitchPort(
        switch=found.name or found.chassis,
        port=found.port,
        description=found.description,
        address=found.address,
        native_vlan=found.native_vlan,
        vlans=found.vlans,
        others=len(senders) - 1,
    )
