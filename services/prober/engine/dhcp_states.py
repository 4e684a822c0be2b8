"""States of the DHCP client (RFC 2131 figure 5), and the legal transitions between them.

Discovery runs the client up to COLLECTING; when an offer has been selected, LeasedAddress continues from
SELECTING. RENEWING, REBINDING, INIT-REBOOT and REBOOTING do not occur: an address is released within seconds.
The states are plain integers, which mypyc compares without a call.
"""

from collections.abc import Mapping
from typing import Final

INIT: Final = 0
"""No message has been sent."""
SELECTING: Final = 1
"""DHCPDISCOVER is sent and retransmitted."""
COLLECTING: Final = 2
"""Every expected offer has arrived; further offers are accepted for a short while."""
REQUESTING: Final = 3
"""DHCPREQUEST is sent and retransmitted."""
PROBING: Final = 4
"""The server has acknowledged; ARP probes look for another owner (RFC 2131 section 3.1 step 5, RFC 5227)."""
BOUND: Final = 5
"""The address is in use."""
UNANSWERED: Final = 6
"""The deadline passed without a DHCPACK or DHCPNAK; the server may have leased the address all the same."""
ENDED: Final = 7
"""Nothing more is sent, and no reply is expected."""

NAMES: Final = (
    "INIT",
    "SELECTING",
    "COLLECTING",
    "REQUESTING",
    "PROBING",
    "BOUND",
    "UNANSWERED",
    "ENDED",
)

TRANSITIONS: Final[Mapping[int, tuple[int, ...]]] = {
    INIT: (SELECTING, ENDED),
    SELECTING: (COLLECTING, REQUESTING, ENDED),
    COLLECTING: (ENDED,),
    REQUESTING: (PROBING, UNANSWERED, ENDED),
    PROBING: (BOUND, ENDED),
    BOUND: (ENDED,),
    UNANSWERED: (ENDED,),
    ENDED: (),
}
"""To ENDED: on DHCPNAK, DHCPDECLINE, DHCPRELEASE, the discovery's end, or when the uplink has failed."""

_ALLOWED: Final = [sum(1 << to for to in TRANSITIONS[state]) for state in sorted(TRANSITIONS)]
"""TRANSITIONS as one bit set for each state."""


class IllegalTransition(Exception):
    """A client was about to make a transition that is not in TRANSITIONS: a bug in the engine."""


def enter(state: int, to: int) -> int:
    """Return the state to enter; raises IllegalTransition if it cannot follow state."""
    if not _ALLOWED[state] >> to & 1:
        raise IllegalTransition(f"{NAMES[state]} to {NAMES[to]}")
    return to
