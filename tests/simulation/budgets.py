"""Budgets of the probing: the numbers in docs/states.md, as code.

They hold for a time without news. Each piece of news may add NEWS_ASKS asks and a check from every host. News
is an edit, a host that comes, goes or restarts, a gateway or DHCP server that comes or goes, a lost report.
"""

import math

from services.network.judge.reach import DOWN_AFTER
from services.network.judge.reduction import CONFIRMATIONS
from services.watcher.limits.pace import JITTER

NEWS_ASKS = 1 + CONFIRMATIONS
"""One host asks DHCP; where it gets no offer, this many others confirm it."""


def repetitions(duration_s: float, interval_s: float) -> int:
    """Return how often something with this interval happens in this time, with jitter."""
    return 1 + math.floor(duration_s / ((1 - JITTER) * interval_s))


def dhcp_asks(duration_s: float, *, interval_s: float, news: int = 0) -> int:
    """Return the asks on one segment by all hosts: up to three DHCPDISCOVERs each, one if it is answered."""
    return repetitions(duration_s, interval_s) + news * NEWS_ASKS


def arp_probes(duration_s: float, *, hosts: int, interval_s: float, news: int = 0) -> int:
    """Return the ARP probes by all hosts for one gateway that answers: one per check."""
    return hosts * (repetitions(duration_s, interval_s) + news * DOWN_AFTER)


def arp_probes_silent(duration_s: float, *, hosts: int, retry_s: float, news: int = 0) -> int:
    """Return the ARP probes for a gateway that is silent to all: three per check, by one host at a time."""
    return DOWN_AFTER * (repetitions(duration_s, retry_s) + news * hosts)
