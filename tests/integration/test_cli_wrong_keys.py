"""Commands that show, while keys of ours in Redis are of another type: they name the key and go on."""

import pytest

from services.contract.messages import Segment
from services.contract.names import (
    DEAD_LETTERS_KEY,
    DOUBTS_KEY,
    OBSERVED_TIME_KEY,
    SENDING_KEY,
    UNWRITTEN_KEY,
    conclusion_key,
    host_key,
    host_lock_key,
    host_waiting_key,
    probe_queue,
    verdicts_key,
)
from tests.integration.test_cli_hosts import announce
from tests.integration.test_cli_networks import Nadroute, api_server, nadroute, networks
from tests.support.kube_api import Networks

__all__ = ["api_server", "nadroute", "networks"]


@pytest.mark.parametrize("kind", ["zset", "list"])
def test_commands_go_on_without_a_wrong_key(nadroute: Nadroute, networks: Networks, kind: str) -> None:
    """R17: each shows what is right, names a wrong key that it needed, and renames none."""
    client = nadroute.server.client
    client.flushall()
    announce(nadroute.server, "node1", mgmt="mgmt-bo")
    uid = networks.get("office")["metadata"]["uid"]
    needed = [conclusion_key(uid), DEAD_LETTERS_KEY]
    needed += [verdicts_key(Segment(cluster_network="mgmt", vlan=vlan)) for vlan in (1, 7, 10, 100)]
    keys = [*needed, OBSERVED_TIME_KEY, SENDING_KEY, UNWRITTEN_KEY, DOUBTS_KEY, probe_queue("node1")]
    keys += [host_key("other"), host_lock_key("node1"), host_waiting_key("node1")]
    for key in keys:
        if kind == "list" and key != DEAD_LETTERS_KEY:
            client.rpush(key, "junk")
        else:
            client.zadd(key, {"junk": 1})
    before = set(client.scan_iter())
    commands = (["status"], ["hosts"], ["explain", "default/office"], ["diff"], ["dead-letters"])
    ran = {command[0]: nadroute(*command) for command in commands}
    # 1: a network is not as it should be; 3: the list is all that the command shows.
    assert [run.code for run in ran.values()] == [1, 0, 0, 1, 3], ran
    assert "node1" in ran["hosts"].out
    assert "default/office" in ran["explain"].out
    assert DEAD_LETTERS_KEY in ran["dead-letters"].err
    assert conclusion_key(uid) in ran["explain"].err + ran["status"].err, ran["explain"]
    assert set(client.scan_iter()) == before
