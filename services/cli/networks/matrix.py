"""`nadroute status` as a table of networks by hosts, fitted to the width of the terminal.

Each host has a column if there is room; otherwise one column counts the hosts that reach the gateway and
names some that do not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from rich.text import Text

from services.cli.tables import GAP, Column, table_lines
from services.cli.terminal import (
    BAD,
    FAULTY,
    GOOD,
    SIGN_STYLES,
    UNCERTAIN,
    UNTRIED,
    cell,
    sign_text,
    state_text,
)
from services.contract.messages import ReachVerdict
from services.contract.outcomes import CALM_STATES, BridgeFault, ReachOutcome, Reason, State
from services.view.durations import describe_age, seconds_since
from services.view.host_checks import HostCheck
from services.view.rows import NetworkLine, NetworkRow

MAX_NAMED = 3
"""Number of differing hosts that a row names if the hosts share one column."""
CONNECTIVITY_STYLES = {"true": "green", "": ""}
HOST_RANK = 1
LEAST_HOST = 7
"""The width to which a host's name may be cut."""
HostsLayout = Literal["separate", "condensed", "absent"]
"""A column for each host, one for all hosts, or none."""


@dataclass(frozen=True)
class StatusScreen:
    """The screen of `status`; no line is wider than width."""

    columns: Sequence[Column]
    width: int
    head: Sequence[Text]
    foot: Sequence[Text]

    @property
    def lines_around(self) -> int:
        """Lines besides the rows: remarks, heading, rule, legend and summary."""
        return len(self.head) + 2 + len(self.foot)

    def lines(self, rows: Sequence[int] | None = None) -> list[Text]:
        """Return all lines, with the rows of these networks in this order; with all rows if None."""
        return [*self.head, *table_lines(self.columns, self.width, rows), *self.foot]


def status_screen(
    lines: Sequence[NetworkLine], *, width: int, now: datetime, remarks: Sequence[str] = ()
) -> StatusScreen:
    """Build the screen: remarks, the table, the legend, and the number of networks in each state."""
    columns, layout = _columns(lines, width=width, now=now)
    head = [line for remark in remarks for line in _wrapped(remark, width, "bold yellow")]
    return StatusScreen(columns, width, head, [Text(""), *_legend(layout, width), *_summary(lines, width)])


def _columns(lines: Sequence[NetworkLine], *, width: int, now: datetime) -> tuple[list[Column], HostsLayout]:
    """Return the columns that fit the width, and how they show the hosts."""
    hosts = sorted({check.host for line in lines for check in line.checks or ()})
    layout: HostsLayout = "separate" if hosts else "absent"
    columns = _assembled(lines, _host_columns(lines, hosts), now=now)
    if hosts and _least_width(columns) > width:
        layout = "condensed"
    is_condensed = layout == "condensed" or (not hosts and any(line.row.hosts for line in lines))
    if is_condensed:
        columns = _with_hosts(columns, _condensed_column(lines, MAX_NAMED))
    if _total(columns) > width:
        columns = [
            _reasons(lines, brief=True) if column.heading == "reason" else column for column in columns
        ]
        if is_condensed:
            columns = _with_hosts(columns, _condensed_column(lines, 1))
    return columns, layout


def _with_hosts(columns: Sequence[Column], hosts: Column) -> list[Column]:
    """Return the columns with one condensed column in place of the hosts' own."""
    others = [column for column in columns if column.rank != HOST_RANK]
    after = next(index for index, column in enumerate(others) if column.heading == "reason") + 1
    return [*others[:after], hosts, *others[after:]]


def _assembled(lines: Sequence[NetworkLine], hosts: Sequence[Column], *, now: datetime) -> list[Column]:
    """Return all columns in their order."""
    rows = [line.row for line in lines]
    several = len({row.cluster_network for row in rows if row.cluster_network}) > 1
    connectivity = [cell(row.connectivity, CONNECTIVITY_STYLES.get(row.connectivity, "red")) for row in rows]
    return [
        Column("network", [cell(row.ref, "bold") for row in rows], 0, least=20, keep_end=True),
        Column("vlan", [_vlan(row, several=several) for row in rows], 4),
        Column("state", [state_text(row.state) for row in rows], 0),
        _reasons(lines, brief=False),
        *hosts,
        Column("route", connectivity, 6, least=6),
        Column("gateway", [_gateway(row) for row in rows], 7),
        Column("for", [cell(_age(row.since, now)) for row in rows], 5),
    ]


def _reasons(lines: Sequence[NetworkLine], *, brief: bool) -> Column:
    return Column("reason", [_reason(line.row, brief=brief) for line in lines], 2, least=18)


def _least_width(columns: Sequence[Column]) -> int:
    """Return the least width of the columns network, state, reason and hosts together."""
    needed = [column for column in columns if column.rank <= 2]
    return sum(column.least_width for column in needed) + GAP * (len(needed) - 1)


def _total(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)


def _host_columns(lines: Sequence[NetworkLine], hosts: Sequence[str]) -> list[Column]:
    columns = []
    for host in hosts:
        checks = [next((check for check in line.checks or () if check.host == host), None) for line in lines]
        cells = [Text("") if check is None else _host_cell(check) for check in checks]
        columns.append(Column(host, cells, HOST_RANK, least=LEAST_HOST, keep_end=True))
    return columns


def _host_cell(check: HostCheck) -> Text:
    """Return two symbols, for the gateway on the VLAN and through routing, or one if it cannot probe."""
    if check.fault is not None:
        return sign_text(FAULTY)
    if check.age_s is None:
        return Text(UNTRIED * 2, style="dim")
    text = Text()
    for sign in (_vlan_sign(check), _sign(check.routed)):
        text.append(sign, style=SIGN_STYLES[sign] if check.interface else "dim")
    return text


def _vlan_sign(check: HostCheck) -> str:
    is_cut_off = check.bridge is not None and check.bridge is not BridgeFault.UNSETTLED
    sign = _sign(check.vlan)
    # What answers the host does not reach its VMs.
    return FAULTY if is_cut_off and sign == GOOD else sign


def _sign(reach: ReachVerdict) -> str:
    if reach.outcome is ReachOutcome.REACHABLE:
        return GOOD
    if reach.outcome is ReachOutcome.SILENT:
        return BAD
    return UNTRIED if reach.outcome is ReachOutcome.NOT_TRIED else UNCERTAIN


def _condensed_column(lines: Sequence[NetworkLine], named: int) -> Column:
    return Column("hosts", [_condensed(line, named=named) for line in lines], HOST_RANK, least=12)


def _condensed(line: NetworkLine, *, named: int) -> Text:
    """Return the number of hosts that reach the gateway on the VLAN, and the hosts that differ."""
    row = line.row
    if row.intent is None:
        return Text("")
    parts: list[Text] = []
    if line.checks:
        signs = [FAULTY if c.fault else _vlan_sign(c) for c in line.checks if c.age_s is not None]
        counts = {sign: signs.count(sign) for sign in (GOOD, BAD, UNCERTAIN, FAULTY)}
        parts += [Text(f"{n}{sign}", style=SIGN_STYLES[sign]) for sign, n in counts.items() if n]
        if missing := len(line.checks) - len(signs) + signs.count(UNTRIED):
            parts.append(Text(f"{missing}{UNTRIED}", style="dim"))
    if differing := sorted(row.hosts):
        parts.append(cell(", ".join(differing[:named]), "yellow"))
        more = max(0, len(differing) - named) + row.hosts_omitted
        parts += [Text(f"+{more}", style="yellow")] if more else []
    return Text(" ").join(parts)


def _vlan(row: NetworkRow, *, several: bool) -> Text:
    if row.vlan is None:
        return cell("")
    return cell(f"{row.cluster_network}/{row.vlan}" if several else row.vlan)


def _reason(row: NetworkRow, *, brief: bool) -> Text:
    """Return the reason and the findings; brief: without a reason that adds nothing to the state."""
    implied = brief and row.reason in (Reason.GATEWAY_ANSWERS, Reason.DISABLED_BY_ANNOTATION)
    parts = [] if implied else [cell(row.reason, "dim" if row.state in CALM_STATES else "")]
    parts += [cell(f"+{code}", "yellow") for code in sorted(row.findings)]
    return Text(" ").join(parts)


def _gateway(row: NetworkRow) -> Text:
    """Return gateway and subnet as one text: 10.0.112.1/20."""
    gateway = row.gateway or row.checked_gateway
    prefix = row.cidr.partition("/")[2]
    return cell(f"{gateway}/{prefix}" if gateway and prefix else gateway or row.cidr)


def _age(since: str, now: datetime) -> str:
    """Return the age in its largest unit; the text itself if it is not a timestamp."""
    age_s = seconds_since(since, now)
    return since if age_s is None else describe_age(age_s).split()[0]


def _legend(layout: HostsLayout, width: int) -> list[Text]:
    if layout == "absent":
        return []
    paths = "gateway on VLAN, then routed" if layout == "separate" else "gateway on VLAN"
    long = f"{paths}: {GOOD} answers  {BAD} silent  {UNCERTAIN} cannot tell  {UNTRIED} not asked  "
    long += f"{FAULTY} host cannot probe"
    paths = "on VLAN, routed" if layout == "separate" else "on VLAN"
    short = (
        f"{paths}: {GOOD} answers {BAD} silent {UNCERTAIN} cannot tell {UNTRIED} not asked {FAULTY} no probe"
    )
    return [Text(long if len(long) <= width else short[:width], style="dim")]


def _summary(lines: Sequence[NetworkLine], width: int) -> list[Text]:
    """Return the number of networks in each state, and a hint if one needs attention."""
    counts: Mapping[str, int] = {
        state: sum(line.row.state == state for line in lines) for state in dict.fromkeys(State)
    }
    summary = [Text(f"{len(lines)} network{'' if len(lines) == 1 else 's'}: ")]
    for state, count in counts.items():
        part = Text(f"{count} ") + state_text(state) + Text("  ")
        if count and summary[-1].cell_len + part.cell_len > width + 2:
            summary.append(Text("  "))
        if count:
            summary[-1] = summary[-1] + part
    for line in summary:
        line.rstrip()
    if any(line.row.needs_attention for line in lines):
        hint = "why, and what to do: nadroute explain NAMESPACE/NAME"
        summary += [Text(hint, style="dim")] if len(hint) <= width else []
    return summary


def _wrapped(text: str, width: int, style: str) -> list[Text]:
    """Wrap a sentence to the width."""
    lines, line = [], ""
    for word in cell(text).plain.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(Text(line, style=style))
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, Text(line[:width], style=style)]
