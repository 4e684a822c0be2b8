"""docs/cli.md documents what the commands print."""

import json
import re
from pathlib import Path
from typing import Any

from services.cli.main import COMMANDS
from services.contract.conclusions import Hindrance, Unwritten
from services.contract.messages import HostAnnouncement
from services.contract.outcomes import ReachOutcome, Reason, State
from services.network.parse.intent import Intent, read_intent
from services.network.parse.status import Status
from services.network.policy import DEFAULT_POLICY
from services.runtime.stored.dead_letters import DeadLetter
from services.view.differences import network_difference
from services.view.doctor.findings import Level, ok
from services.view.documents import (
    checked_document,
    dead_letter_document,
    difference_document,
    finding_document,
    host_document,
    probed_document,
)
from services.view.hosts import HostRow
from services.view.probe_results import conclude_probe
from services.view.rows import network_row, with_checks
from tests.support.seen_networks import found, network_with_status, record_of, view
from tests.unit.cli.test_probe_answers import INTENT, REF, SEGMENT
from tests.unit.network.builders import config, dhcp, network, offer, verdict

PAGE = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()


def _example(section: str) -> Any:
    """Return the first JSON of a section, a list."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    match = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    assert match is not None
    return json.loads(match[1])


def test_status_json_is_documented() -> None:
    """The page has every key of a network and of a check, in order."""
    (line,) = with_checks(
        [network_row(network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS))], view(found("node1"))
    )
    document: Any = checked_document(line.row, line.checks)
    assert list(_example("status")[0]) == list(document)
    assert list(_example("status")[0]["checks"][0]) == list(document["checks"][0])


def test_probe_json_is_documented() -> None:
    """The page has every key of a network, of a host that answered and of one that did not."""
    answered = verdict(INTENT.digest, host="node2", dhcp=dhcp(offer()), vlan=ReachOutcome.REACHABLE)
    asked = {SEGMENT: ["node2", "node3"]}
    (probed,) = conclude_probe({REF: INTENT}, asked, [answered], {}, policy=DEFAULT_POLICY)
    body: Any = probed_document(probed)
    (example,) = _example("probe")
    assert list(example) == list(body)
    for documented, printed in zip(example["hosts"], body["hosts"], strict=True):
        assert list(documented) == list(printed)
    assert list(example["hosts"][0]["dhcp"]) == list(body["hosts"][0]["dhcp"])
    assert list(example["hosts"][0]["dhcp"]["servers"][0]) == list(body["hosts"][0]["dhcp"]["servers"][0])
    assert list(example["hosts"][0]["vlan"]) == list(body["hosts"][0]["vlan"])


def test_diff_json_is_documented() -> None:
    """The page has every key of a network and of a change."""
    given = network(config=config(7))
    intent = read_intent(given)
    assert isinstance(intent, Intent)
    status = Status(State.ACTIVE, Reason.GATEWAY_ANSWERS, digest=intent.digest)
    unwritten = Unwritten(why=Hindrance.OBSERVE_ONLY, route={"connectivity": "true"})
    record = record_of(given, status, unwritten)
    body: Any = difference_document(network_difference(given, DEFAULT_POLICY, view(conclusions=(record,))))
    (example,) = _example("diff")
    assert list(example) == list(body)
    assert list(example["changes"][0]) == list(body["changes"][0])
    assert list(example["not_written"]) == list(body["not_written"])


def test_dead_letters_json_is_documented() -> None:
    """The page has every key of a dead letter."""
    letter = DeadLetter(at_ms=1, where="report", reason="r", body="b")
    assert list(_example("dead-letters")[0]) == list(dead_letter_document(letter))


def test_hosts_json_is_documented() -> None:
    """The page has every key of a host."""
    announcement = HostAnnouncement(host="node1", uplinks={"extra": "extra-bo"}, version="1", incarnation=1)
    assert list(_example("hosts")[0]) == list(host_document(HostRow("node1", announcement, 0)))


def test_every_command_is_documented() -> None:
    """The first table lists it."""
    table = PAGE.partition("**Exit codes**")[0]
    assert all(f"`{name}" in table for name in COMMANDS)


def test_doctor_json_is_documented() -> None:
    """The page has every key of a check, in order, and every level."""
    assert [list(each) for each in _example("doctor")] == [list(finding_document(ok("pause", "")))] * 2
    section = PAGE.partition("\n## doctor\n")[2].partition("\n## ")[0]
    assert not [level for level in Level if f"`{level}`" not in section]
