"""The site's causes as views show them: which explains a network, and what none of them explains."""

from collections.abc import Iterable, Sequence

from services.contract.causes import CauseRecord
from services.network.causes.texts import describe
from services.view.rows import NetworkRow

MAX_REMARKS = 3
"""Causes that are named above a table; further ones are counted."""


def cause_of(row: NetworkRow, causes: Sequence[CauseRecord]) -> CauseRecord | None:
    """Return the cause that explains the most networks, this one among them; None without any."""
    return next((cause for cause in causes if str(row.ref) in cause.networks), None)


def count_networks(causes: Iterable[CauseRecord]) -> int:
    """Return how many networks they explain together."""
    return len({network for cause in causes for network in cause.networks})


def left_alone(causes: Iterable[CauseRecord], rows: Iterable[NetworkRow]) -> list[NetworkRow]:
    """Return the networks with a problem that no cause explains, by name."""
    explained = {network for cause in causes for network in cause.networks}
    alone = [row for row in rows if row.is_problem and str(row.ref) not in explained]
    return sorted(alone, key=lambda row: row.ref)


def causes_remarks(causes: Iterable[CauseRecord]) -> list[str]:
    """Return how many networks have a common cause, and a line for each of the first causes.

    A cause of one network says nothing that the network's own line does not.
    """
    common = [cause for cause in causes if len(cause.networks) > 1]
    if not common:
        return []
    what = "1 cause" if len(common) == 1 else f"{len(common)} causes"
    remarks = [f"{what}, {count_networks(common)} networks; `nadroute explain` says more:"]
    remarks += [f"  {describe(cause).title} ({len(cause.networks)})" for cause in common[:MAX_REMARKS]]
    return [*remarks, f"  and {len(common) - MAX_REMARKS} more"] if len(common) > MAX_REMARKS else remarks
