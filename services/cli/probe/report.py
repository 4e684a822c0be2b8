"""Probed networks as a table, and the cells that `scan` shows too."""

from collections.abc import Sequence

from rich.text import Text

from services.cli.outputs import Column
from services.cli.terminal import BAD, GOOD, UNTRIED, cell, sign_text, state_text
from services.contract.messages import DHCPVerdict, ReachVerdict
from services.contract.outcomes import DHCPOutcome, ReachOutcome
from services.view.probe_results import HostAnswer, ProbedNetwork


def report_columns(probed: Sequence[ProbedNetwork]) -> list[Column]:
    """Return one row per network and host; the first row of a network names it."""
    rows: list[list[Text]] = []
    for network in probed:
        first = [
            cell(network.ref, "bold"),
            cell(network.intent.segment.vlan),
            state_text(network.conclusion.state),
            cell(network.conclusion.reason),
        ]
        for answer in network.answers or (HostAnswer("", None),):
            rows.append([*first, cell(answer.host), *_answer_cells(answer)])
            first = [Text()] * len(first)
    cells = list(zip(*rows, strict=True)) or [()] * 9
    return [
        Column("network", cells[0], least=14, keep_end=True),
        Column("vlan", cells[1], 4),
        Column("state", cells[2]),
        Column("reason", cells[3], 6, least=14),
        Column("host", cells[4], least=6, keep_end=True),
        Column("DHCP", cells[5], 2, least=12),
        Column("gateway", cells[6], 5),
        Column("VLAN", cells[7], 1),
        Column("routed", cells[8], 3),
    ]


def _answer_cells(answer: HostAnswer) -> list[Text]:
    verdict, target = answer.verdict, answer.target
    if verdict is None:
        return [cell(answer.error, "red"), Text(), Text(), Text()]
    if verdict.fault is not None:
        return [cell(f"{BAD} {verdict.fault}", "red"), Text(), Text(), Text()]
    return [
        dhcp_cell(verdict.dhcp),
        cell(target.gateway if target and target.gateway else ""),
        reach_cell(target.vlan if target else None),
        reach_cell(target.routed if target else None),
    ]


def dhcp_cell(finding: DHCPVerdict | None) -> Text:
    """Return the servers and their offers."""
    if finding is None or finding.outcome is DHCPOutcome.NOT_TRIED:
        return sign_text(UNTRIED)
    if finding.outcome is DHCPOutcome.OFFERED:
        servers = ", ".join(f"{offer.server} ({offer.cidr or 'no subnet'})" for offer in finding.servers)
        return cell(f"{GOOD} {servers}", "green" if len(finding.servers) == 1 else "yellow")
    style = "red" if finding.outcome is DHCPOutcome.NO_OFFER else "yellow"
    return cell(f"{BAD} {finding.outcome.replace('_', ' ')}", style)


def reach_cell(reach: ReachVerdict | None) -> Text:
    """Return whether the gateway answered, and how fast."""
    if reach is None or reach.outcome is ReachOutcome.NOT_TRIED:
        return sign_text(UNTRIED)
    if reach.outcome is ReachOutcome.REACHABLE:
        return sign_text(GOOD, "" if reach.rtt_ms is None else f"{reach.rtt_ms:.1f} ms")
    return cell(f"{BAD} {reach.outcome}", "red" if reach.outcome is ReachOutcome.SILENT else "yellow")
