"""Arguments: VLAN sets, networks by name, and what the shell completes."""

from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from hypothesis import given
from hypothesis import strategies as st

from services.cli.failures import CommandFailed
from services.cli.main import cli
from services.cli.options import arguments
from services.cli.options.arguments import select_networks
from services.cli.options.value_types import read_vlans
from services.contract.vlans import write_vlans
from services.network.parse.nad import NetworkRef
from tests.unit.cli.running import run
from tests.unit.network.builders import network

OFFICE, BENCH = NetworkRef("default", "office"), NetworkRef("lab", "bench")


@given(st.sets(st.integers(1, 4094), min_size=1))
def test_vlans_are_read_as_they_were_written(vlans: set[int]) -> None:
    """Writing and reading any set gives that set, in order."""
    assert read_vlans(write_vlans(vlans)) == sorted(vlans)


@pytest.mark.parametrize(
    ("text", "vlans"), [("7,10-12", [7, 10, 11, 12]), ("12-12, 3", [3, 12]), ("7,7", [7]), ("1-4094", None)]
)
def test_vlans_are_numbers_and_ranges(text: str, vlans: list[int] | None) -> None:
    """Overlaps count once, spaces not at all."""
    assert read_vlans(text) == (vlans or list(range(1, 4095)))


@pytest.mark.parametrize(
    "text", ["", "x", "0", "4095", "20-10", "7,", "1-", "-5", "1-2-3", "٣", "99999999999"]
)
def test_an_invalid_vlan_set_is_refused(text: str) -> None:
    """The message says what was expected."""
    with pytest.raises(ValueError, match="expected"):
        read_vlans(text)


def test_an_unknown_network_is_an_error_with_near_matches() -> None:
    """Exit 2; a network of that very name in another namespace is near too."""
    present = [network(ref=OFFICE), network(ref=BENCH)]
    for typed, near in [("default/ofice", "did you mean default/office"), ("default/bench", "lab/bench")]:
        with pytest.raises(CommandFailed, match=near) as caught:
            select_networks(present, [NetworkRef.parse(typed)])
        assert caught.value.exit_code == 2
    with pytest.raises(CommandFailed, match="not found; `nadroute status` lists all 2"):
        select_networks(present, [NetworkRef("nowhere", "nothing")])


def test_networks_come_in_the_order_they_were_named_or_sorted() -> None:
    """Each once."""
    bench, office = network(ref=BENCH), network(ref=OFFICE)
    assert select_networks([bench, office], []) == [office, bench]
    assert select_networks([office, bench], [BENCH, OFFICE, BENCH]) == [bench, office]


@pytest.fixture
def present(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster of two networks and two hosts."""
    monkeypatch.setattr(arguments, "_present_networks", lambda _: [OFFICE, BENCH])
    monkeypatch.setattr(arguments, "_present_hosts", lambda _: ["node1", "node2"])


def complete(*words: str) -> list[str]:
    """What the shell offers for the last word."""
    shell = ShellComplete(cli, {}, "nadroute", "_NADROUTE_COMPLETE")
    return [item.value for item in shell.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.usefixtures("present")
def test_the_shell_completes_commands_networks_namespaces_and_hosts() -> None:
    """By the beginning that was typed."""
    assert complete("sta") == ["status"]
    assert complete("explain", "def") == ["default/office"]
    assert complete("status", "lab/bench", "") == ["default/office", "lab/bench"]
    assert complete("status", "-n", "l") == ["lab"]
    assert complete("probe", "--host", "node") == ["node1", "node2"]
    assert complete("config", "pro") == ["prober"]


def test_completion_without_a_cluster_or_redis_offers_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No error may reach the line that is being typed."""
    monkeypatch.setenv("NADROUTE_KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("NADROUTE_REDIS_URL", f"unix://{tmp_path / 'none.sock'}")
    assert complete("explain", "") == []
    assert complete("status", "--host", "") == []


def test_an_argument_that_is_no_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """On one line that says what was expected."""
    ran = run(monkeypatch, "explain", "office")
    assert ran.code == 2
    assert "'office': expected NAMESPACE/NAME" in ran.err
    assert len(ran.err.splitlines()) == 1
