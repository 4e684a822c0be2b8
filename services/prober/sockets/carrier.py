"""Whether an uplink can be trusted: up, down, gone, or now this and now that."""

import errno
import socket
from collections import deque

from services.contract.outcomes import Fault
from services.prober.sockets.link import LinkError
from services.prober.sockets.netlink import (
    ANSWER_BYTES,
    RTMGRP_LINK,
    UplinkState,
    ask_for,
    open_netlink,
    parse_news,
)

FLAPPING_CHANGES = 3
"""Changes of the carrier that a cable which was pulled, or put back, does not make."""
FLAPPING_WITHIN_S = 2.0
DOWN_FOR_S = 0.5
"""An uplink that is down for less may be flapping: only then it is known which."""
ASK_EVERY_S = 0.5
"""The kernel tells of changes by itself, but may put some together; its counter tells of all."""


class CarrierHistory:
    """What is known of one interface. Pure: the kernel's news and time are arguments."""

    def __init__(self, interface: str, state: UplinkState, now: float) -> None:
        self._interface = interface
        self._state = state
        self._down_since = None if state.up else now
        self._changed_at: deque[float] = deque(maxlen=FLAPPING_CHANGES)
        self._untold = 0
        self._gone = False

    def told(self, state: UplinkState | None, now: float) -> None:
        """Take what the kernel says of it; None: it is gone."""
        if state is None or state.index != self._state.index:
            self._gone = True
            return
        # An administrator's "down" and "up" may leave the carrier as it was.
        changes = max(
            (state.carrier_changes - self._state.carrier_changes) % (1 << 32),
            int(state.up is not self._state.up),
        )
        self._changed_at.extend([now] * min(changes, FLAPPING_CHANGES))
        self._untold += changes
        if not state.up and (self._down_since is None or changes):
            self._down_since = now
        if state.up:
            self._down_since = None
        self._state = state

    def changes(self, now: float) -> int:
        """Changes since the last call; LinkError when the uplink is of no use."""
        if self._gone:
            raise LinkError(Fault.UPLINK_MISSING, f"{self._interface} is gone")
        recent = len(self._changed_at) == FLAPPING_CHANGES
        if recent and now - self._changed_at[0] <= FLAPPING_WITHIN_S:
            raise LinkError(Fault.UPLINK_FLAPPING, f"{self._interface} goes up and down")
        if self._down_since is not None and now - self._down_since >= DOWN_FOR_S:
            raise LinkError(Fault.UPLINK_DOWN, f"{self._interface} is down or has no carrier")
        untold, self._untold = self._untold, 0
        return untold


class CarrierWatch:
    """A netlink socket that hears of one interface. Never blocks."""

    def __init__(self, interface: str) -> None:
        """Raises LinkError when there is no such interface, OSError when netlink fails."""
        self._interface = interface
        self._netlink = open_netlink(groups=RTMGRP_LINK)
        self._history: CarrierHistory | None = None
        self._asked_at = 0.0
        self.index = 0
        try:
            self._netlink.settimeout(1.0)
            self._netlink.send(ask_for(interface))
            self._state = self._first_answer()
            self._netlink.setblocking(False)
        except (OSError, LinkError):
            self._netlink.close()
            raise

    def fileno(self) -> int:
        """Readable when the kernel has news of any interface."""
        return self._netlink.fileno()

    def changes(self, now: float) -> int:
        """Changes of the carrier since the last call; LinkError when the uplink is of no use; OSError."""
        if self._history is None:
            self._history = CarrierHistory(self._interface, self._state, now)
            self._asked_at = now
        if now - self._asked_at >= ASK_EVERY_S:
            self._asked_at = now
            self._netlink.send(ask_for(self._interface))
        while (data := self._read()) is not None:
            for news in parse_news(data):
                if news.index in (0, self.index):
                    self._history.told(news.state, now)
        return self._history.changes(now)

    def close(self) -> None:
        self._netlink.close()

    def _first_answer(self) -> UplinkState:
        while True:
            for news in parse_news(self._netlink.recv(ANSWER_BYTES)):
                if news.index == 0:
                    raise LinkError(Fault.UPLINK_MISSING, f"no interface {self._interface}")
                # News of others may stand before the answer.
                if news.state is not None and news.index == socket.if_nametoindex(self._interface):
                    self.index = news.index
                    return news.state

    def _read(self) -> bytes | None:
        try:
            return self._netlink.recv(ANSWER_BYTES)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            # News were lost: what counts is in the answer to the next question.
            self._asked_at = -ASK_EVERY_S
            return b""
