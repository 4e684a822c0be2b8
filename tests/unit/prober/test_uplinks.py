"""Which interfaces are uplinks: told, or seen, and seen again."""

import pytest
import redis

from services.contract.messages import HostAnnouncement
from services.contract.names import host_key
from services.prober.heartbeat import Heartbeat
from services.prober.uplinks import Uplinks, carried_by, interfaces_here
from tests.support.manual_clock import ManualClock


def test_told_uplinks_are_not_looked_for() -> None:
    """What somebody wrote down stands, whatever interfaces there are."""
    uplinks = Uplinks({"extra": "eth1"}, interfaces=lambda: ["mgmt-bo"])
    assert not uplinks.look()
    assert uplinks.current() == {"extra": "eth1"}


def test_bonds_are_seen_as_they_come_and_go() -> None:
    """Harvester makes the bond after our pod has started, and takes it away with the cluster network."""
    here = ["lo", "eth0"]
    uplinks = Uplinks("auto", interfaces=lambda: here)
    assert uplinks.current() == {}
    here += ["mgmt-bo", "mgmt-br", "extra-bo"]
    assert uplinks.look()
    before = uplinks.current()
    assert before == {"mgmt": "mgmt-bo", "extra": "extra-bo"}
    assert not uplinks.look()
    here.remove("extra-bo")
    assert uplinks.look()
    assert uplinks.current() == {"mgmt": "mgmt-bo"}
    assert before == {"mgmt": "mgmt-bo", "extra": "extra-bo"}, "what was handed out never changes"


@pytest.mark.parametrize(
    ("interface", "network"),
    [
        ("mgmt-bo", "mgmt"),
        ("a-b-bo", "a-b"),
        ("mgmt-br", None),
        ("-bo", None),
        ("bo", None),
        ("mgmt-bo.7", None),
        ("Odd-bo", None),
        ("x_y-bo", None),
    ],
)
def test_cluster_network_is_named_by_its_bond(interface: str, network: str | None) -> None:
    """What could not be a cluster network's name is none, whatever it ends with."""
    assert carried_by(interface) == network


def test_interfaces_of_this_namespace_are_listed() -> None:
    """The loopback is always there."""
    assert "lo" in interfaces_here()


class _Recorder:
    """Keeps what a Redis would be told."""

    def __init__(self) -> None:
        self.announced: list[str] = []
        self.taken_back: list[str] = []

    def set(self, key: str, text: str, *, ex: int) -> None:
        assert key == host_key("node1")
        self.announced.append(text)

    def eval(self, _script: str, _keys: int, _key: str, text: str) -> None:
        self.taken_back.append(text)


def test_announcement_follows_the_uplinks() -> None:
    """Told at once when they change, not when the renewal is due; and what was told last is taken back."""
    seen = [["mgmt-bo"], ["mgmt-bo"], ["mgmt-bo"], ["mgmt-bo", "extra-bo"], ["mgmt-bo", "extra-bo"]]
    uplinks = Uplinks("auto", interfaces=lambda: seen.pop(0) if len(seen) > 1 else seen[0])
    recorder = _Recorder()
    announcement = HostAnnouncement(host="node1", uplinks=dict(uplinks.current()), version="1", incarnation=5)
    heartbeat = Heartbeat(
        client=recorder,  # type: ignore[arg-type]
        announcement=announcement,
        uplinks=uplinks,
        clock=ManualClock(on_wait="return", stop_after=5),
    )
    heartbeat._run()
    heartbeat.stop()
    told = [HostAnnouncement.from_wire(text).uplinks for text in recorder.announced]
    assert told == [{"mgmt": "mgmt-bo"}, {"mgmt": "mgmt-bo", "extra": "extra-bo"}]
    assert recorder.taken_back == recorder.announced[-1:]


def test_look_that_fails_keeps_what_was_seen() -> None:
    """The kernel does not answer, or Redis does not: the next turn is another one."""
    here: list[list[str] | OSError] = [["mgmt-bo"], OSError("no netlink")]

    def interfaces() -> list[str]:
        found = here.pop(0) if len(here) > 1 else here[0]
        if isinstance(found, OSError):
            raise found
        return found

    class _Away(_Recorder):
        def set(self, key: str, text: str, *, ex: int) -> None:
            super().set(key, text, ex=ex)
            raise redis.ConnectionError("for the test")

    uplinks, recorder = Uplinks("auto", interfaces=interfaces), _Away()
    announcement = HostAnnouncement(host="node1", uplinks=dict(uplinks.current()), version="1", incarnation=5)
    heartbeat = Heartbeat(
        client=recorder,  # type: ignore[arg-type]
        announcement=announcement,
        uplinks=uplinks,
        clock=ManualClock(on_wait="return", stop_after=3),
    )
    heartbeat._run()
    assert uplinks.current() == {"mgmt": "mgmt-bo"}
    assert len(recorder.announced) == 1
