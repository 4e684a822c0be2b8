"""Probed networks as a table."""

from collections.abc import Sequence

from rich.text import Text

from services.cli.cells import dhcp_cell, reach_cell
from services.cli.tables import Column
from services.cli.terminal import BAD, cell, state_text
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
