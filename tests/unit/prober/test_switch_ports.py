"""The switch ports that a host announces: what is heard on each NIC, and for how long it holds."""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from lab.lldp import PortLabel, lldp_frame
from services.contract.member_nics import MAX_MEMBERS, LLDPState, MemberNIC
from services.contract.messages import HostAnnouncement
from services.prober.heartbeat import Heartbeat
from services.prober.sockets.netlink import InterfaceState
from services.prober.switch_ports import MAX_NEIGHBOURS, MAX_TTL_S, MEMBERS_S, SILENT_AFTER_S, SwitchPorts
from services.prober.uplinks import Uplinks
from tests.support.manual_clock import ManualClock
from tests.unit.prober.test_uplinks import _Recorder

LABEL = PortLabel(switch="sw-rack3", port="Gi1/0/14", native_vlan=1, vlans=frozenset({5, 6}))
UP = InterfaceState(index=7, up=True, carrier_changes=1)
UPLINKS = {"extra": "extra-bo"}


def mac(number: int) -> bytes:
    return bytes([2, 0, 0, 0, 0, number])


@dataclass
class Wire:
    """A socket of one NIC; an exception that is sent is raised."""

    frames: list[bytes] = field(default_factory=list)
    error: OSError | None = None
    is_open: bool = True

    def receive(self) -> list[bytes]:
        if self.error is not None:
            raise self.error
        taken, self.frames = self.frames, []
        return taken

    def close(self) -> None:
        self.is_open = False


class Host:
    """A host whose bond has members; the test moves its clock and its cables."""

    def __init__(self, *names: str, is_listening: bool = True) -> None:
        self.clock = ManualClock()
        self.names: tuple[str, ...] | OSError = names
        self.states: dict[str, InterfaceState | None] = dict.fromkeys(names, UP)
        self.wires: dict[str, Wire] = {}
        self.refused: OSError | None = None
        self.ports = SwitchPorts(
            clock=self.clock,
            is_listening=is_listening,
            members=self._members,
            state=lambda name: self.states[name],
            open_socket=self._open,
        )

    def _members(self, interface: str) -> tuple[str, ...]:
        if isinstance(self.names, OSError):
            raise self.names
        return self.names

    def _open(self, name: str) -> Wire:
        if self.refused is not None:
            raise self.refused
        self.wires[name] = Wire()
        return self.wires[name]

    def poll(self, *, after_s: float = 0.0) -> dict[str, MemberNIC]:
        self.clock.seconds += after_s
        return {member.interface: member for member in self.ports.poll(UPLINKS)}

    def send(self, name: str, label: PortLabel = LABEL, *, ttl: int = 120, sender: int = 1) -> None:
        self.wires[name].frames.append(lldp_frame(label, mac=mac(sender), ttl=ttl))


def test_each_member_has_its_own_switch_port() -> None:
    """As its switch says: name, port, native VLAN and the VLANs as ranges."""
    host = Host("eno1", "eno2")
    assert {member.lldp for member in host.poll().values()} == {LLDPState.WAITING}
    host.send("eno1")
    host.send("eno2", replace(LABEL, switch="sw-rack4", vlans=frozenset()), sender=2)
    found = host.poll(after_s=2.0)
    assert [(m.lldp, m.cluster_networks) for m in found.values()] == [(LLDPState.HEARD, ("extra",))] * 2
    ports = [member.port for member in found.values()]
    assert [port and (port.switch, port.port, port.native_vlan, port.vlans) for port in ports] == [
        ("sw-rack3", "Gi1/0/14", 1, ((5, 6),)),
        ("sw-rack4", "Gi1/0/14", 1, ()),
    ]


def test_what_a_switch_said_ends_with_its_time_to_live() -> None:
    """It is renewed with each frame, is over at once with 0, and lasts no longer than an hour."""
    host = Host("eno1")
    host.poll()
    host.send("eno1")
    host.poll()
    host.send("eno1")
    assert host.poll(after_s=119.0)["eno1"].port is not None
    assert host.poll(after_s=119.0)["eno1"].port is not None
    assert host.poll(after_s=1.0)["eno1"].port is None
    host.send("eno1")
    assert host.poll()["eno1"].port is not None
    host.send("eno1", ttl=0)
    gone = host.poll()["eno1"]
    assert (gone.port, gone.lldp) == (None, LLDPState.WAITING)
    host.send("eno1", ttl=65_535)
    assert host.poll(after_s=0.0)["eno1"].port is not None
    assert host.poll(after_s=MAX_TTL_S)["eno1"].port is None


def test_silence_is_told_after_two_minutes() -> None:
    """Not before: a switch sends every 30 s."""
    host = Host("eno1")
    host.poll()
    assert host.poll(after_s=SILENT_AFTER_S - 1)["eno1"].lldp is LLDPState.WAITING
    assert host.poll(after_s=1.0)["eno1"].lldp is LLDPState.SILENT


def test_a_switch_comes_before_other_senders() -> None:
    """Behind a hub other machines are heard, too: each is counted, and none takes the switch's place."""
    host = Host("eno1")
    host.poll()
    station = lldp_frame(replace(LABEL, switch="node9", port="eno1"), mac=mac(9)).replace(
        b"\x0e\x04\x00\x04\x00\x04", b"\x0e\x04\x00\x80\x00\x80"
    )
    host.wires["eno1"].frames.append(station)
    port = host.poll()["eno1"].port
    assert port is not None
    assert (port.switch, port.others) == ("node9", 0)
    host.send("eno1")
    host.send("eno1", replace(LABEL, switch="late"), sender=2)
    port = host.poll(after_s=2.0)["eno1"].port
    assert port is not None
    assert (port.switch, port.others) == ("sw-rack3", 2)


def test_invented_senders_are_bounded_and_the_switch_stays() -> None:
    """A flood of names takes no memory, and a sender that repeats itself is kept."""
    host = Host("eno1")
    host.poll()
    for number in range(40):
        host.send("eno1", replace(LABEL, switch=f"fake{number}"), sender=100 + number)
        host.send("eno1")
    port = host.poll()["eno1"].port
    assert port is not None
    assert (port.switch, port.others) == ("sw-rack3", MAX_NEIGHBOURS - 1)


def test_a_cable_that_was_moved_says_nothing_of_its_former_port() -> None:
    """A change of the carrier forgets what was heard. While it is down, the last port is told as such."""
    host = Host("eno1")
    host.poll()
    host.send("eno1")
    host.poll()
    host.states["eno1"] = InterfaceState(index=7, up=False, carrier_changes=2)
    host.poll(after_s=MEMBERS_S)
    host.send("eno1", replace(LABEL, port="a frame from before"), sender=2)
    down = host.poll(after_s=2.0)["eno1"]
    assert down.lldp is LLDPState.DOWN
    assert down.port is not None
    assert down.port.port == "Gi1/0/14"
    host.states["eno1"] = InterfaceState(index=7, up=True, carrier_changes=3)
    up = host.poll(after_s=MEMBERS_S)["eno1"]
    assert (up.lldp, up.port) == (LLDPState.WAITING, None)
    host.send("eno1")
    host.poll()
    host.states["eno1"] = InterfaceState(index=7, up=True, carrier_changes=5)
    assert host.poll(after_s=MEMBERS_S)["eno1"].port is None


def test_members_come_and_go() -> None:
    """Their sockets with them; one that has another's name now is opened again."""
    host = Host("eno1", "eno2")
    host.poll()
    first, second = host.wires["eno1"], host.wires["eno2"]
    host.send("eno1")
    host.poll()
    host.names = ("eno1",)
    host.states["eno1"] = replace(UP, index=8)
    found = host.poll(after_s=MEMBERS_S)
    assert list(found) == ["eno1"]
    assert found["eno1"].port is None
    assert (first.is_open, second.is_open, host.wires["eno1"].is_open) == (False, False, True)
    host.names = OSError(errno.ENODEV, "gone")
    assert not host.poll(after_s=MEMBERS_S)
    assert not host.wires["eno1"].is_open


@pytest.mark.parametrize("fault", ["no permission", "receiving", "gone"])
def test_a_nic_that_cannot_be_listened_on_is_told_and_tried_again(fault: str) -> None:
    """Nothing is raised: the host is announced all the same."""
    host = Host("eno1")
    if fault == "no permission":
        host.refused = PermissionError(errno.EPERM, "no")
    host.poll()
    if fault == "receiving":
        host.wires["eno1"].error = OSError(errno.ENODEV, "gone")
    if fault == "gone":
        host.states["eno1"] = None
    failed = host.poll(after_s=MEMBERS_S)["eno1"]
    assert (failed.lldp, failed.port) == (LLDPState.FAILED, None)
    host.refused, host.states["eno1"] = None, UP
    host.poll(after_s=MEMBERS_S)
    host.send("eno1")
    assert host.poll()["eno1"].lldp is LLDPState.HEARD


def test_listening_can_be_switched_off() -> None:
    """The members are announced, and no socket is opened."""
    host = Host("eno1", is_listening=False)
    assert host.poll()["eno1"].lldp is LLDPState.OFF
    assert not host.wires


def test_what_is_announced_is_bounded() -> None:
    """A bond of many members, and names that no message may have."""
    host = Host(*(f"eno{number:02}" for number in range(MAX_MEMBERS + 3)), "not\u00a0a\u00a0name")
    assert list(host.poll()) == [f"eno{number:02}" for number in range(MAX_MEMBERS)]
    host.ports.close()
    assert not any(wire.is_open for wire in host.wires.values())


def test_a_switch_port_is_announced_as_soon_as_it_is_heard() -> None:
    """In the heartbeat's next round; frames that say the same announce nothing."""
    host, recorder = Host("eno1"), _Recorder()
    sends: list[Callable[[], None]] = [lambda: None, lambda: host.send("eno1"), lambda: host.send("eno1")]

    def members(uplinks: object) -> tuple[MemberNIC, ...]:
        found = tuple(host.poll().values())
        if sends:
            sends.pop(0)()
        return found

    heartbeat = Heartbeat(
        client=recorder,  # type: ignore[arg-type]
        lock=recorder,  # type: ignore[arg-type]
        announcement=HostAnnouncement(host="node1", uplinks=UPLINKS, version="1", incarnation=5),
        uplinks=Uplinks(UPLINKS),
        clock=ManualClock(on_wait="return", stop_after=6),
        networks=list,
        members=members,
    )
    heartbeat._run()
    said = [HostAnnouncement.from_wire(text).members for text in recorder.announced]
    assert [[member.lldp for member in each] for each in said] == [[LLDPState.WAITING], [LLDPState.HEARD]]
