"""The carrier of an uplink: whether it is up, down, gone or flapping."""

import errno
import socket
from collections import deque

from services.contract.outcomes import Fault
from services.prober.sockets.link import LinkError
from services.prober.sockets.netlink import (
    RECEIVE_BYTES,
    RTMGRP_LINK,
    InterfaceState,
    open_netlink,
    parse_messages,
    state_request,
)

FLAPPING_CHANGES = 3
"""Carrier changes that count as flapping: more than unplugging or replugging a cable causes."""
FLAPPING_WITHIN_S = 2.0
DOWN_FOR_S = 0.5
"""Time after which an uplink without carrier counts as down rather than flapping."""
QUERY_INTERVAL_S = 0.5
"""The kernel notifies of changes, but may merge some; its counter, queried at this interval, has them all."""


class CarrierHistory:
    """Tracks the state of one interface. Pure: states and times are arguments."""

    def __init__(self, interface: str, state: InterfaceState, now: float) -> None:
        self._interface = interface
        self._state = state
        self._down_since = None if state.up else now
        self._changed_at: deque[float] = deque(maxlen=FLAPPING_CHANGES)
        self._unreported = 0
        self._gone = False

    def update(self, state: InterfaceState | None, now: float) -> None:
        """Record the current state; None: the interface was deleted."""
        if state is None or state.index != self._state.index:
            self._gone = True
            return
        # Setting an interface down and up may leave the carrier counter unchanged.
        changes = max(
            (state.carrier_changes - self._state.carrier_changes) % (1 << 32),
            int(state.up is not self._state.up),
        )
        self._changed_at.extend([now] * min(changes, FLAPPING_CHANGES))
        self._unreported += changes
        if not state.up and (self._down_since is None or changes):
            self._down_since = now
        if state.up:
            self._down_since = None
        self._state = state

    def changes(self, now: float) -> int:
        """Return the changes since the last call; LinkError when the uplink is gone, down or flapping."""
        if self._gone:
            raise LinkError(Fault.UPLINK_MISSING, f"{self._interface} is gone")
        recent = len(self._changed_at) == FLAPPING_CHANGES
        if recent and now - self._changed_at[0] <= FLAPPING_WITHIN_S:
            raise LinkError(Fault.UPLINK_FLAPPING, f"{self._interface} is flapping")
        if self._down_since is not None and now - self._down_since >= DOWN_FOR_S:
            raise LinkError(Fault.UPLINK_DOWN, f"{self._interface} is down or has no carrier")
        changes, self._unreported = self._unreported, 0
        return changes


class CarrierWatch:
    """Watches the carrier of one interface over a netlink socket. Never blocks."""

    def __init__(self, interface: str) -> None:
        """Raises LinkError when the interface does not exist, OSError when netlink fails."""
        self._interface = interface
        self._netlink = open_netlink(groups=RTMGRP_LINK)
        self._history: CarrierHistory | None = None
        self._queried_at = 0.0
        self.index = 0
        try:
            self._netlink.settimeout(1.0)
            self._netlink.send(state_request(interface))
            self._state = self._first_reply()
            self._netlink.setblocking(False)
        except (OSError, LinkError):
            self._netlink.close()
            raise

    def fileno(self) -> int:
        """Return a file descriptor that is readable after a change of any interface."""
        return self._netlink.fileno()

    def changes(self, now: float) -> int:
        """Return the carrier changes since the last call.

        Raises LinkError when the uplink is gone, down or flapping, OSError when netlink fails.
        """
        if self._history is None:
            self._history = CarrierHistory(self._interface, self._state, now)
            self._queried_at = now
        if now - self._queried_at >= QUERY_INTERVAL_S:
            self._queried_at = now
            self._netlink.send(state_request(self._interface))
        while (data := self._read()) is not None:
            for message in parse_messages(data):
                if message.index in (0, self.index):
                    self._history.update(message.state, now)
        return self._history.changes(now)

    def close(self) -> None:
        self._netlink.close()

    def _first_reply(self) -> InterfaceState:
        while True:
            for message in parse_messages(self._netlink.recv(RECEIVE_BYTES)):
                if message.index == 0:
                    raise LinkError(Fault.UPLINK_MISSING, f"no interface {self._interface}")
                # Notifications of other interfaces may precede the reply.
                if message.state is not None and message.index == socket.if_nametoindex(self._interface):
                    self.index = message.index
                    return message.state

    def _read(self) -> bytes | None:
        try:
            return self._netlink.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            # Notifications were lost: the reply to the next query has the current state.
            self._queried_at = -QUERY_INTERVAL_S
            return b""
