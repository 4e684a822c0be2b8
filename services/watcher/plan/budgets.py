"""How much is asked of a network at most: the numbers that docs/states.md names, for tests to hold us to.

Counted over a time in which nothing is news. Each piece of news may add NEWS_ASKS asks and a check from every
host; news is an edit, a host that comes, goes or restarts, a gateway or a DHCP server that comes or goes, a
report that was lost.
"""

import math

from services.network.judge.reduction import CONFIRMATIONS, DOWN_AFTER
from services.watcher.plan.segment_plan import JITTER

NEWS_ASKS = 1 + CONFIRMATIONS
"""One host asks, and where it is offered nothing so many others confirm it."""


def turns(duration_s: float, interval_s: float) -> int:
    """How often what is done once in an interval is done in this time, jitter included."""
    return 1 + math.floor(duration_s / ((1 - JITTER) * interval_s))


def dhcp_asks(duration_s: float, *, interval_s: float, news: int = 0) -> int:
    """On one segment, by all hosts together; each is up to three DHCPDISCOVERs, one where it is answered."""
    return turns(duration_s, interval_s) + news * NEWS_ASKS


def arp_probes(duration_s: float, *, hosts: int, interval_s: float, news: int = 0) -> int:
    """For one gateway that answers, by all hosts together: one probe each."""
    return hosts * (turns(duration_s, interval_s) + news * DOWN_AFTER)


def arp_probes_silent(duration_s: float, *, hosts: int, retry_s: float, news: int = 0) -> int:
    """For one gateway that is silent to all: from one host at a time, three probes each."""
    return DOWN_AFTER * (turns(duration_s, retry_s) + news * hosts)
