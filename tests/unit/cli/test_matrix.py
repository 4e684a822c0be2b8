"""The table of `status`: it fits any terminal and needs no colour."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pytest

from services.cli.networks.matrix import status_screen
from services.cli.networks.status_command import remarks
from services.contract.conclusions import Hindrance, Unwritten
from services.contract.outcomes import Fault, ReachOutcome, Reason, State
from services.view.host_checks import RedisView
from services.view.rows import NetworkLine, Source, network_row, with_checks
from tests.support.seen_networks import DOWN, UP, found, network_with_status, view
from tests.unit.network.builders import config, network

NOW = datetime.fromisoformat("2026-11-23T03:07:05+00:00")
LONGEST = "production-storefront-of-the-second-floor"


def drawn(lines: Sequence[NetworkLine], width: int, remarks: Sequence[str] = ()) -> str:
    """Return the screen of a terminal of this width, without colour."""
    screen = status_screen(lines, width=width, now=NOW, remarks=remarks)
    return "".join(f"{line.plain}\n" for line in screen.lines())


def line(drawing: str, name: str) -> str:
    return next(line for line in drawing.splitlines() if name in line)


def every_reason() -> list[NetworkLine]:
    """Return a network for each reason, and one with a long name."""
    rows = [
        network_row(network_with_status(State.UNREACHABLE, reason, name=f"vlan-{n}"))
        for n, reason in enumerate(Reason)
    ]
    rows.append(network_row(network_with_status(State.DHCP_FAILED, Reason.NO_DHCP_OFFER, name=LONGEST)))
    return with_checks(rows, view(found("node1"), found("node2", DOWN)))


def test_two_hosts_fit_in_a_hundred_columns() -> None:
    """Each host has a column and no line is wider, whatever the reason."""
    drawing = drawn(every_reason(), 100)
    assert max(map(len, drawing.splitlines())) <= 100
    assert "node1  node2" in line(drawing, "network")
    assert "✔✔     ✘✔" in line(drawing, "default/vlan-3 ")


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_every_network_is_one_line_at_any_width(width: int) -> None:
    """Nothing wraps: columns are left out or cut, but never the state."""
    lines = every_reason()
    screen = status_screen(lines, width=width, now=NOW)
    assert len(screen.lines()) == len(lines) + screen.lines_around
    assert all(line.cell_len <= width for line in screen.lines())
    rows = screen.lines()[2 : 2 + len(lines)]
    assert all(line.row.state in text.plain for line, text in zip(lines, rows, strict=True))


def test_eighty_columns_keep_the_important_columns() -> None:
    """Network, VLAN, state, reason and hosts stay; a long name is cut in its middle."""
    heading, _, *rows = drawn(every_reason(), 80).splitlines()
    assert heading.split() == ["network", "vlan", "state", "reason", "node1", "node2", "for"]
    assert any(row.startswith("default/p") and "cond-floor" in row for row in rows)


def test_a_narrow_table_omits_reasons_that_repeat_the_state() -> None:
    """The reason of Active is shown only if there is room."""
    rows = [
        network_row(network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS, name=LONGEST)),
        network_row(network_with_status(State.PARTIAL, Reason.GATEWAY_SILENT_ON_SOME_HOSTS)),
    ]
    lines = with_checks(rows, view(found("node1"), found("node2", DOWN)))
    assert "Answers" not in drawn(lines, 100)
    assert "GatewayAnswers" in drawn(lines, 170)


def test_symbols_show_how_each_host_reaches_the_gateway() -> None:
    """Reachable, silent, inconclusive, not tried and a fault differ without colour."""
    row = network_row(network_with_status(State.PARTIAL, Reason.GATEWAY_SILENT_ON_SOME_HOSTS))
    seen = view(
        found("node1"),
        found("node2", DOWN, ReachOutcome.INCONCLUSIVE),
        found("node3", fault=Fault.UPLINK_DOWN),
        found("node4", ReachOutcome.NOT_TRIED, DOWN),
        hosts=5,
    )
    drawing = drawn(with_checks([row], seen), 170)
    assert line(drawing, "default/office").split()[5:10] == ["✔✔", "✘?", "!", "·✘", "··"]
    assert "✔ answers  ✘ silent  ? cannot tell  · not asked  ! host cannot probe" in drawing
    assert "1 network: 1 ◐ Partial" in drawing


def test_thirty_two_hosts_share_a_column_that_names_those_that_differ() -> None:
    """The column has the number of hosts by outcome and the first names."""
    silent = {f"node{n}": "GatewaySilentOnVlan" for n in (4, 5, 6, 7)}
    row = network_row(network_with_status(State.PARTIAL, Reason.GATEWAY_SILENT_ON_SOME_HOSTS, hosts=silent))
    verdicts = [found(f"node{n}", DOWN if f"node{n}" in silent else UP) for n in range(1, 32)]
    lines = with_checks([row], view(*verdicts, hosts=32))
    for width, named, omitted in (
        (100, ("node4", "+3"), "node5"),
        (140, ("node4, node5, node6", "+1"), "node7"),
    ):
        drawing = drawn(lines, width)
        assert max(map(len, drawing.splitlines())) <= width
        assert omitted not in drawing
        words = " ".join(drawing.split())
        assert all(word in words for word in ("27✔ 4✘ 1·", *named)), drawing


def test_long_host_names_are_cut_if_there_is_no_room() -> None:
    """They are cut in the middle, since hosts differ by their numbers."""
    row = network_row(network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS))
    lines = with_checks([row], view(found("harvester-node-01"), found("harvester-node-02"), hosts=0))
    assert "harvester-node-01  harvester-node-02" in drawn(lines, 140)
    assert "harve…de-01  har…-02" in drawn(lines, 60)


def test_without_redis_differing_hosts_come_from_the_annotation() -> None:
    """There are no columns of hosts and no signs of checks."""
    row = network_row(
        network_with_status(
            State.PARTIAL, Reason.GATEWAY_SILENT_ON_SOME_HOSTS, hosts={"node2": "GatewaySilentOnVlan"}
        )
    )
    drawing = drawn([NetworkLine(row)], 120)
    assert "node2" in line(drawing, "default/office")
    assert "✔" not in drawing


def test_remarks_say_what_is_not_written_and_what_is_from_the_annotation() -> None:
    """Each reason once, with the first few networks. Without Redis, it is the reason."""
    networks = [network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS, name=f"n{n}") for n in range(5)]
    denied = Unwritten(why=Hindrance.DENIED, route={"connectivity": "true"})
    rows = [replace(network_row(each), source=Source.CONCLUSION, unwritten=denied) for each in networks]
    lines = [NetworkLine(row) for row in rows]
    assert remarks(RedisView(), lines) == [
        "not written, the API server refuses it: default/n0, default/n1, default/n2 and 2 more",
        "what would be written: nadroute diff",
    ]
    observed = replace(rows[0], unwritten=Unwritten(why=Hindrance.OBSERVE_ONLY))
    assert remarks(RedisView(), [NetworkLine(observed)]) == [
        "observe only: nothing is written to the networks"
    ]
    disputed = replace(rows[0], unwritten=Unwritten(why=Hindrance.TAKEN_BACK, route={"connectivity": "true"}))
    assert remarks(RedisView(), [NetworkLine(disputed)]) == [
        "not written again for up to an hour, another writer takes it back: default/n0",
        "what would be written: nadroute diff",
    ]
    annotated = [NetworkLine(network_row(networks[0]))]
    said = "from the annotation, as Redis has no conclusion: default/n0; is an updater running?"
    assert remarks(RedisView(), annotated) == [said]
    assert remarks(RedisView(trouble="away"), annotated) == ["from the annotation, without hosts: away"]
    assert remarks(RedisView(), [NetworkLine(network_row(network(config=config(0))))]) == []


def test_a_remark_names_the_hosts_that_are_not_announced() -> None:
    """Their results are shown, and a dim symbol alone would not say that they are the last ones."""
    row = network_row(network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS))
    row = replace(row, source=Source.CONCLUSION)
    seen = view(found("node1"), found("node2"))
    assert remarks(seen, with_checks([row], seen)) == []
    seen = replace(seen, hosts={})
    said = "not announced, shown with their last results: node1, node2"
    assert remarks(seen, with_checks([row], seen)) == [said]


def test_a_remark_names_the_networks_that_a_host_reaches_on_link() -> None:
    """A host with an address of its own on the VLAN sends its echoes there, whatever the routes say."""
    row = network_row(network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS))
    seen = view(found("node1"), found("node2"))
    line = with_checks([replace(row, source=Source.CONCLUSION)], seen)[0]
    assert line.checks is not None
    own = replace(line.checks[0], own_address="10.0.112.20/20")
    assert remarks(seen, [replace(line, checks=(own, line.checks[1]))]) == [
        "routed is on-link, from a host's own address on the VLAN: default/office"
    ]


def test_findings_and_remarks_are_shown() -> None:
    """Findings follow the reason, remarks precede the table."""
    row = network_row(
        network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS, findings={"DHCPServersDisagree": "two"})
    )
    drawing = drawn([NetworkLine(row)], 140, remarks=["paused for 3s"])
    assert drawing.startswith("paused for 3s\n")
    assert "GatewayAnswers +DHCPServersDisagree" in drawing
    assert " 3m" in line(drawing, "default/office")
