"""Networks with what each host found of them: rows from the cluster, checks from Redis."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.contract.messages import Segment
from services.view.host_checks import HostCheck, RedisView
from services.view.rows import NetworkRow


@dataclass(frozen=True)
class NetworkLine:
    """A row, and what each host found of it; None where Redis did not say."""

    row: NetworkRow
    checks: tuple[HostCheck, ...] | None = None

    def to_json(self) -> dict[str, object]:
        """The documented shape (docs/cli.md): the row's, and checks by host."""
        checks = None if self.checks is None else [check.to_json() for check in self.checks]
        return {**self.row.to_json(), "checks": checks}


def segments_of(rows: Iterable[NetworkRow]) -> set[Segment]:
    """Those that are probed for these networks."""
    return {row.intent.segment for row in rows if row.intent is not None}


def with_checks(rows: Sequence[NetworkRow], view: RedisView) -> list[NetworkLine]:
    """Each row with what its hosts found."""
    return [NetworkLine(row, checks_of(row, view)) for row in rows]


def checks_of(row: NetworkRow, view: RedisView) -> tuple[HostCheck, ...] | None:
    """None where Redis did not say; empty where nobody is to probe it."""
    if view.trouble is not None:
        return None
    if row.intent is None:
        return ()
    return view.checks(row.intent.segment, row.intent.digest, row.checked_gateway)
