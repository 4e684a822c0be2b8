"""The benchmark's bare client, and how it has the API server refuse."""

from collections.abc import Iterator

import pytest

from bench.loop_client import BareClient, Told
from bench.loop_throttled import CASES, Case, refusing
from lab.kube.jsontypes import JsonValue
from lab.kube.process import ServerProcess

WAIT_S = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server")) as running:
        yield running


def test_the_bare_client_repeats_each_call_that_met_a_429(server: ServerProcess) -> None:
    """It obeys Retry-After and gives up nothing, so it ends only when all is written."""
    client = BareClient(server.kubeconfig)
    client.create([1, 2, 3], prefix="refused")
    match: dict[str, JsonValue] = {"verb": "patch", "resource": "network-attachment-definitions"}
    fault = server.fault("respond", status=429, count=2, retry_after=0, match=match)
    before = _writes(server)
    client.tell(["refused-1", "refused-2", "refused-3"], events=True)
    assert server.get(f"faults/{fault['fault']}")["hits"] == 2
    assert _writes(server) == before + 6


def test_only_others_events_are_counted(server: ServerProcess) -> None:
    """An Event of the bare client's own does not stand for one that nadroute lost."""
    client = BareClient(server.kubeconfig)
    client.create([4], prefix="events")
    client.tell(["events-4"], events=True)
    assert "events-4" not in client.told_by_event()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_case_refuses_as_it_says_and_ends(server: ServerProcess, case: Case) -> None:
    """Patches and Events are refused alike, and nothing is once the block has ended."""
    with refusing(server, case):
        assert server.get("state")["faults"] == (0 if case.count == 0 else 2)
    assert server.get("state")["faults"] == 0


def test_the_watch_sees_what_is_created_with_a_route(server: ServerProcess) -> None:
    """A manual network begins with its own annotation, and what is written to it is told."""
    client, told = BareClient(server.kubeconfig), Told(expected="false")
    client.watch(told)
    client.create([5], prefix="manual", route=lambda vlan: '{"mode":"manual","connectivity":"false"}')
    told.wait(1, seconds=WAIT_S)
    assert set(told.at) == {"manual-5"}


def _writes(server: ServerProcess) -> int:
    writes = server.get("writes")["writes"]
    assert isinstance(writes, list)
    return len(writes)
