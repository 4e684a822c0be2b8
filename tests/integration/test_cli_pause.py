"""`nadroute pause`, `resume` and `explain` against the lab's API server and a real Redis."""

import json

from services.contract.names import PAUSED_KEY
from tests.integration.test_cli_hosts import announce
from tests.integration.test_cli_networks import Nadroute, api_server, nadroute, networks
from tests.support.kube_api import Networks

__all__ = ["api_server", "nadroute", "networks"]
PROBE = "nadroute.io/probe"


def test_the_global_pause_is_set_shown_and_ended(nadroute: Nadroute) -> None:
    """Author and reason are shown; a second pause does not replace the first."""
    announce(nadroute.server, "node1", mgmt="mgmt-bo")
    assert nadroute("pause", "--reason", "switch upgrade").code == 0
    kept = json.loads(str(nadroute.server.client.get(PAUSED_KEY)))
    assert set(kept) == {"since_ms", "by", "reason"}
    assert kept["reason"] == "switch upgrade"
    assert "already paused" in nadroute("pause", "--reason", "another").err
    assert json.loads(str(nadroute.server.client.get(PAUSED_KEY))) == kept
    for command in (["status"], ["hosts"], ["status", "-o", "json"]):
        assert "switch upgrade" in nadroute(*command).err
    assert json.loads(nadroute("status", "-o", "json").out)
    assert nadroute("resume").code == 0
    assert nadroute.server.client.exists(PAUSED_KEY) == 0
    assert "not paused" in nadroute("resume").err


def test_a_pause_key_of_another_type_is_a_pause(nadroute: Nadroute) -> None:
    """It pauses by its existence, and can be ended."""
    nadroute.server.client.lpush(PAUSED_KEY, "x")
    assert "paused;" in nadroute("hosts").err
    assert "already paused" in nadroute("pause").err
    assert nadroute("resume").code == 0
    assert nadroute.server.client.exists(PAUSED_KEY) == 0


def test_networks_are_paused_by_their_annotation(nadroute: Nadroute, networks: Networks) -> None:
    """It is set and removed, and nothing else changes."""
    before = networks.get("office")["metadata"]["annotations"]
    assert nadroute("pause", "default/office", "default/attic").out.splitlines() == [
        "default/office paused",
        "default/attic paused",
    ]
    assert networks.get("office")["metadata"]["annotations"] == {**before, PROBE: "disabled"}
    assert "paused already" in nadroute("pause", "default/office").err
    assert nadroute("resume", "default/office").code == 0
    assert networks.get("office")["metadata"]["annotations"] == before
    assert PROBE in networks.get("attic")["metadata"]["annotations"]
    assert nadroute("pause", "default/offise").code == 2
    assert nadroute("pause", "default/office", "--reason", "x").code == 2


def test_explain_prints_text_and_json(nadroute: Nadroute) -> None:
    """What is asked, the missing report and the steps; also without Redis."""
    announce(nadroute.server, "node1", mgmt="mgmt-bo")
    ran = nadroute("explain", "default/office")
    assert ran.code == 0
    for words in ("default/office is … Pending", "node1 by mgmt-bo, has not reported yet", "What to do"):
        assert words in ran.out
    document = json.loads(nadroute("explain", "default/office", "-o", "json").out)
    assert {"asked", "checks", "meaning", "steps", "state", "reason"} <= set(document)
    assert [check["host"] for check in document["checks"]] == ["node1"]
    ran = nadroute("explain", "default/office", "--redis-url", "redis://:s3cret@127.0.0.1:1/0")
    assert ran.code == 0
    assert "redis://:***@127.0.0.1:1/0" in ran.err
    assert "Redis could not be read" in ran.out
    assert nadroute("explain", "default/offise").code == 2
