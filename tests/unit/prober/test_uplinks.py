"""The uplinks and addresses of a host, and their announcement."""

import socket
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
import redis

from services.contract.messages import MAX_HOST_NETWORKS, HostAnnouncement
from services.contract.names import host_key
from services.prober.heartbeat import Heartbeat
from services.prober.uplinks import Uplinks, cluster_network_of, list_interfaces, own_addresses
from tests.support.manual_clock import ManualClock

FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.255.0.0/24 2 0 2
        |-- 10.255.0.0
           /24 link UNICAST
        |-- 10.255.0.11
           /32 host LOCAL
        |-- 10.255.0.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
Local:
        |-- 10.255.0.11
           /32 host LOCAL
        |-- 10.1.2.3
           /32 host LOCAL
"""


def test_configured_uplinks_are_not_detected() -> None:
    """The configured mapping stays, whatever interfaces exist."""
    uplinks = Uplinks({"extra": "eth1"}, interfaces=lambda: ["mgmt-bo"])
    uplinks.refresh()
    assert uplinks.current() == {"extra": "eth1"}


def test_bonds_are_detected_at_each_refresh() -> None:
    """Harvester may create a bond after the pod has started, and deletes it with the cluster network."""
    here = ["lo", "eth0"]
    uplinks = Uplinks("auto", interfaces=lambda: here)
    assert uplinks.current() == {}
    here += ["mgmt-bo", "mgmt-br", "extra-bo"]
    uplinks.refresh()
    before = uplinks.current()
    assert before == {"mgmt": "mgmt-bo", "extra": "extra-bo"}
    here.remove("extra-bo")
    uplinks.refresh()
    assert uplinks.current() == {"mgmt": "mgmt-bo"}
    assert before == {"mgmt": "mgmt-bo", "extra": "extra-bo"}, "a returned mapping never changes"


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
def test_the_bond_names_its_cluster_network(interface: str, network: str | None) -> None:
    """A prefix that is not a valid cluster network name is none."""
    assert cluster_network_of(interface) == network


def test_interfaces_of_this_namespace_are_listed() -> None:
    """The loopback interface always exists."""
    assert "lo" in list_interfaces()


class _Recorder:
    """A Redis, and the lock on the host's name, that record the announcements."""

    def __init__(self) -> None:
        self.incarnation = 5
        self.announced: list[str] = []
        self.deleted: list[str] = []

    def set_if_held(self, key: str, text: str) -> bool:
        assert key == host_key("node1")
        self.announced.append(text)
        return True

    def eval(self, _script: str, _keys: int, _key: str, text: str) -> None:
        self.deleted.append(text)


def test_the_announcement_follows_the_uplinks() -> None:
    """A change is announced at once, before the renewal is due; stop deletes the last announcement."""
    seen = [["mgmt-bo"], ["mgmt-bo"], ["mgmt-bo"], ["mgmt-bo", "extra-bo"], ["mgmt-bo", "extra-bo"]]
    uplinks = Uplinks("auto", interfaces=lambda: seen.pop(0) if len(seen) > 1 else seen[0])
    recorder = _Recorder()
    announcement = HostAnnouncement(host="node1", uplinks=dict(uplinks.current()), version="1", incarnation=5)
    heartbeat = Heartbeat(
        client=recorder,  # type: ignore[arg-type]
        lock=recorder,  # type: ignore[arg-type]
        announcement=announcement,
        uplinks=uplinks,
        clock=ManualClock(on_wait="return", stop_after=5),
        networks=list,
    )
    heartbeat._run()
    heartbeat.stop()
    announced = [HostAnnouncement.from_wire(text).uplinks for text in recorder.announced]
    assert announced == [{"mgmt": "mgmt-bo"}, {"mgmt": "mgmt-bo", "extra": "extra-bo"}]
    assert recorder.deleted == recorder.announced[-1:]


def test_a_new_incarnation_is_announced_at_once() -> None:
    """When the lock had expired, so has the announcement."""

    class _Taken(_Recorder):
        def set_if_held(self, key: str, text: str) -> bool:
            self.incarnation = 6
            return super().set_if_held(key, text)

    recorder = _Taken()
    uplinks = Uplinks({"extra": "extra-bo"})
    heartbeat = Heartbeat(
        client=recorder,  # type: ignore[arg-type]
        lock=recorder,  # type: ignore[arg-type]
        announcement=HostAnnouncement(
            host="node1", uplinks={"extra": "extra-bo"}, version="1", incarnation=5
        ),
        uplinks=uplinks,
        clock=ManualClock(on_wait="return", stop_after=5),
    )
    heartbeat._run()
    assert [HostAnnouncement.from_wire(text).incarnation for text in recorder.announced] == [5, 6]


def test_a_failed_refresh_keeps_the_uplinks() -> None:
    """An error of the kernel or of Redis does not end the heartbeat."""
    here: list[list[str] | OSError] = [["mgmt-bo"], OSError("no netlink")]

    def interfaces() -> list[str]:
        found = here.pop(0) if len(here) > 1 else here[0]
        if isinstance(found, OSError):
            raise found
        return found

    class _Away(_Recorder):
        def set_if_held(self, key: str, text: str) -> bool:
            super().set_if_held(key, text)
            raise redis.ConnectionError("for the test")

    uplinks, recorder = Uplinks("auto", interfaces=interfaces), _Away()
    announcement = HostAnnouncement(host="node1", uplinks=dict(uplinks.current()), version="1", incarnation=5)
    heartbeat = Heartbeat(
        client=recorder,  # type: ignore[arg-type]
        lock=recorder,  # type: ignore[arg-type]
        announcement=announcement,
        uplinks=uplinks,
        clock=ManualClock(on_wait="return", stop_after=3),
        networks=list,
    )
    heartbeat._run()
    assert uplinks.current() == {"mgmt": "mgmt-bo"}
    assert len(recorder.announced) == 1


def test_the_announcement_follows_the_routes() -> None:
    """A change is announced at once; an error of the kernel changes nothing, and the number is limited."""
    one, other = IPv4Network("10.255.0.1/32"), IPv4Network("10.255.0.0/24")
    many = [IPv4Network(f"10.255.1.{n}") for n in range(MAX_HOST_NETWORKS + 1)]
    polls: list[list[IPv4Network] | OSError] = [[one], [one], OSError("no netlink"), [one, other], many]

    def networks() -> list[IPv4Network]:
        found = polls.pop(0)
        if isinstance(found, OSError):
            raise found
        return found

    uplinks, recorder = Uplinks({"mgmt": "mgmt-bo"}), _Recorder()
    heartbeat = Heartbeat(
        client=recorder,  # type: ignore[arg-type]
        lock=recorder,  # type: ignore[arg-type]
        announcement=HostAnnouncement(host="node1", uplinks={"mgmt": "mgmt-bo"}, version="1", incarnation=5),
        uplinks=uplinks,
        clock=ManualClock(on_wait="return", stop_after=5),
        networks=networks,
    )
    heartbeat._run()
    announced = [HostAnnouncement.from_wire(text).own_networks for text in recorder.announced]
    assert announced == [(one,), (one, other), tuple(many[:MAX_HOST_NETWORKS])]


def test_local_addresses_are_listed_once_without_loopback(tmp_path: Path) -> None:
    """Broadcast addresses and subnets are left out."""
    path = tmp_path / "fib_trie"
    path.write_text(FIB_TRIE)
    assert own_addresses(path) == (IPv4Address("10.1.2.3"), IPv4Address("10.255.0.11"))


def test_an_unreadable_kernel_table_is_no_error(tmp_path: Path) -> None:
    """No address is known then."""
    assert own_addresses(tmp_path / "nothing") == ()


def test_the_addresses_of_this_machine_can_be_bound() -> None:
    """The kernel's real table is parsed."""
    for address in own_addresses():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
            bound.bind((str(address), 0))
