"""Networks by hosts, for eyes: what each host found beside what it comes to, as wide as the terminal allows.

With room each host has a column. With too many hosts for that, the hosts are one column: how many reach the
gateway, and the names of those that do not.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.cli.outputs import cell, plain
from services.cli.state_style import BAD, DOUBTFUL, FAULTY, GOOD, UNTRIED, state_text, symbol
from services.contract.messages import Reach
from services.contract.outcomes import ReachOutcome, Reason, State
from services.view.durations import describe_age
from services.view.host_checks import HostCheck
from services.view.network_lines import NetworkLine
from services.view.rows import NetworkRow

FINE = frozenset({State.ACTIVE, State.IGNORED, State.DISABLED})
"""States with which nobody has to do anything."""
NAMED_AT_MOST = 3
"""Differing hosts that are named in one row where hosts have no column each."""
GAP = 2
BREAKS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[ /-])")
"""Where a text that is too wide is best broken."""
CONNECTIVITY_STYLES = {"true": "green", "": ""}


def status_matrix(
    lines: Sequence[NetworkLine], *, width: int, now: datetime, remarks: Sequence[str] = ()
) -> RenderableType:
    """The whole of it: remarks, the table, and what its symbols mean."""
    table, by_host = _table(lines, width=width, now=now)
    parts: list[RenderableType] = [cell(remark, "bold yellow") for remark in remarks]
    parts += [table, Text("")]
    if by_host:
        parts.append(_legend(by_host))
    parts.append(_summary(lines))
    return Group(*parts)


def _table(lines: Sequence[NetworkLine], *, width: int, now: datetime) -> tuple[Table, str]:
    """The widest form that fits: a column for each host, or one for all; and which one it is."""
    hosts = sorted({check.host for line in lines for check in line.checks or ()})
    if not hosts:
        hosts_told = any(line.row.hosts for line in lines)
        return _fitted(lines, [], width=width, now=now, condensed=hosts_told), ""
    columns = [_column(lines, host) for host in hosts]
    table = _fitted(lines, columns, width=width, now=now, condensed=False)
    if _total({str(index): column.width or 0 for index, column in enumerate(table.columns)}) <= width:
        return table, "columns"
    return _fitted(lines, [], width=width, now=now, condensed=True), "condensed"


def _column(lines: Sequence[NetworkLine], host: str) -> tuple[str, list[Text]]:
    cells = []
    for line in lines:
        check = next((check for check in line.checks or () if check.host == host), None)
        cells.append(Text("") if check is None or line.row.intent is None else _host_cell(check))
    return host, cells


def _fitted(
    lines: Sequence[NetworkLine],
    host_columns: Sequence[tuple[str, list[Text]]],
    *,
    width: int,
    now: datetime,
    condensed: bool,
) -> Table:
    """With what is least missed narrowed first, as far as it has to be."""
    columns = _columns(lines, now=now, condensed=condensed)
    order = ["network", "vlan", "state", "reason"]
    order += ["hosts"] if condensed else []
    wanted = [*order, *(name for name, _ in host_columns), "connectivity", "gateway", "for"]
    columns |= dict(host_columns)
    widths = {name: _width(name, columns[name]) for name in wanted}
    if _total(widths) > width:
        # Where room is scarce, it is not for what the state says by itself.
        columns["reason"] = [_reason(line.row, brief=True) for line in lines]
        widths["reason"] = _width("reason", columns["reason"])
        if condensed:
            columns["hosts"] = [_condensed(line, named=1) for line in lines]
            widths["hosts"] = _width("hosts", columns["hosts"])
    for name, least in (("hosts", 20), ("connectivity", 6), ("reason", 13), ("network", 14), ("hosts", 8)):
        excess = _total(widths) - width
        if name in widths and excess > 0:
            widths[name] = max(min(least, widths[name]), widths[name] - excess)
    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold"
    )
    for name in wanted:
        heading = plain(name)
        fixed = widths[name]
        heading = heading if len(heading) <= fixed or name not in SHORT else SHORT[name]
        table.add_column(heading, width=fixed, overflow="fold")
    for index in range(len(lines)):
        table.add_row(*(_broken(columns[name][index], widths[name]) for name in wanted))
    return table


SHORT = {"connectivity": "route"}


def _columns(lines: Sequence[NetworkLine], *, now: datetime, condensed: bool) -> dict[str, list[Text]]:
    rows = [line.row for line in lines]
    several = len({row.cluster_network for row in rows if row.cluster_network}) > 1
    columns = {
        "network": [cell(row.ref, "bold") for row in rows],
        "vlan": [_vlan(row, several=several) for row in rows],
        "state": [state_text(row.state) for row in rows],
        "reason": [_reason(row) for row in rows],
        "connectivity": [
            cell(row.connectivity, CONNECTIVITY_STYLES.get(row.connectivity, "red")) for row in rows
        ],
        "gateway": [_gateway(row) for row in rows],
        "for": [cell(_ago(row.since, now)) for row in rows],
    }
    if condensed:
        columns["hosts"] = [_condensed(line) for line in lines]
    return columns


def _width(name: str, cells: Sequence[Text]) -> int:
    heading = SHORT.get(name, name)
    return max([len(heading), *(text.cell_len for text in cells)])


def _total(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)


def _vlan(row: NetworkRow, *, several: bool) -> Text:
    if row.vlan is None:
        return cell("")
    return cell(f"{row.cluster_network}/{row.vlan}" if several else row.vlan)


def _reason(row: NetworkRow, *, brief: bool = False) -> Text:
    """Its code, and those of the findings; brief: without one that says no more than the state."""
    implied = brief and row.reason in (Reason.GATEWAY_ANSWERS, Reason.DISABLED_BY_ANNOTATION)
    parts = [] if implied else [cell(row.reason, "dim" if row.state in FINE else "")]
    parts += [cell(f"+{code}", "yellow") for code in sorted(row.findings)]
    return Text(" ").join(parts)


def _gateway(row: NetworkRow) -> Text:
    """Gateway and subnet in one: 10.0.112.1/20."""
    gateway = row.gateway or row.checked_gateway
    prefix = row.cidr.partition("/")[2]
    return cell(f"{gateway}/{prefix}" if gateway and prefix else gateway or row.cidr)


def _ago(since: str, now: datetime) -> str:
    """How long ago, in its largest unit; what stands there where it is no time."""
    try:
        then = datetime.fromisoformat(since)
    except ValueError:
        return since
    return describe_age((now - then.replace(tzinfo=then.tzinfo or UTC)).total_seconds()).split()[0]


def _host_cell(check: HostCheck) -> Text:
    """Two symbols: the gateway on the VLAN, and through routing; or one for a host that cannot probe."""
    if check.fault is not None:
        return Text(symbol(FAULTY), style="red")
    if check.age_s is None:
        return Text(symbol(UNTRIED) * 2, style="dim")
    dim = not check.interface
    text = Text()
    for reach in (check.vlan, check.routed):
        sign, style = _sign(reach)
        text.append(symbol(sign), style="dim" if dim else style)
    return text


def _sign(reach: Reach) -> tuple[str, str]:
    if reach.outcome is ReachOutcome.REACHABLE:
        return GOOD, "green"
    if reach.outcome is ReachOutcome.SILENT:
        return BAD, "red"
    return (UNTRIED, "dim") if reach.outcome is ReachOutcome.NOT_TRIED else (DOUBTFUL, "yellow")


def _condensed(line: NetworkLine, *, named: int = NAMED_AT_MOST) -> Text:
    """How many hosts reach the gateway on the VLAN, and who does not; by our annotation without Redis."""
    row = line.row
    if row.intent is None:
        return Text("")
    text = Text()
    if line.checks:
        signs = [FAULTY if c.fault else _sign(c.vlan)[0] for c in line.checks if c.age_s is not None]
        for sign, style in ((GOOD, "green"), (BAD, "red"), (DOUBTFUL, "yellow"), (FAULTY, "red")):
            if count := signs.count(sign):
                text.append(f"{' ' if text else ''}{count}{symbol(sign)}", style=style)
        if missing := len(line.checks) - len(signs) + signs.count(UNTRIED):
            text.append(f"{' ' if text else ''}{missing}{symbol(UNTRIED)}", style="dim")
    differing = sorted(row.hosts)
    if differing:
        more = len(differing) - named + row.hosts_omitted
        text.append(f"{' ' if text else ''}{plain(', '.join(differing[:named]))}", style="yellow")
        if more > 0:
            text.append(f" +{more}", style="yellow")
    return text


def _broken(text: Text, width: int) -> Text:
    """A text that is too wide broken where its words begin, so that a code stays readable."""
    if text.cell_len <= width:
        return text
    lines: list[Text] = []
    for piece in text.divide([match.start() for match in BREAKS.finditer(text.plain)]):
        if lines and lines[-1].cell_len + piece.cell_len <= width + piece.plain.endswith(" "):
            lines[-1] = lines[-1] + piece
        else:
            lines.append(piece)
    return Text("\n").join(lines)


def _legend(form: str) -> Text:
    good, bad, doubtful = symbol(GOOD), symbol(BAD), symbol(DOUBTFUL)
    text = Text(style="dim")
    text.append("gateway on VLAN, then routed: " if form == "columns" else "gateway on VLAN, who differs: ")
    text.append(f"{good} answers  {bad} silent  {doubtful} no telling  {symbol(UNTRIED)} not asked  ")
    text.append(f"{symbol(FAULTY)} host cannot probe")
    return text


def _summary(lines: Sequence[NetworkLine]) -> Text:
    """How many networks are in each state, worst first."""
    counts: Mapping[str, int] = {
        state: sum(line.row.state == state for line in lines) for state in dict.fromkeys(State)
    }
    parts = [Text(f"{len(lines)} network{'' if len(lines) == 1 else 's'}: ")]
    for state, count in counts.items():
        if count:
            told = Text(f"{count} ") + state_text(state)
            # Not broken between a number and its state.
            told.plain = told.plain.replace(" ", "\N{NO-BREAK SPACE}")
            parts.append(told + Text("  "))
    if any(line.row.state not in FINE for line in lines):
        parts.append(Text("\nwhy, and what to do: nadroute explain NAMESPACE/NAME", style="dim"))
    return Text.assemble(*parts)
