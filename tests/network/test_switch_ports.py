"""Listening for LLDP on real interfaces: what lldpd was told to announce is what the prober announces."""

import functools
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from pathlib import Path
from typing import TypeVar

import pytest

from lab.lldp import PortLabel, lldp_frame
from lab.namespaces import Namespace
from lab.prerequisites import program
from services.contract.member_nics import LLDPState, MemberNIC, SwitchPort
from services.prober.frames import lldp
from services.prober.switch_ports import MEMBERS_S, SwitchPorts
from tests.support.manual_clock import ManualClock
from tests.support.updater_site import wait_until

pytestmark = [pytest.mark.root]

Result = TypeVar("Result")
MAC = bytes.fromhex("020000000001")


class Cable:
    """A NIC, eno1, and the switch port sw0 that it is plugged into, in a network namespace of their own."""

    def __init__(self) -> None:
        self._namespace = Namespace("cable")
        # A thread has a network namespace of its own, so the test's stays where it is.
        self._inside = ThreadPoolExecutor(1, initializer=self._namespace.enter)
        self.clock = ManualClock()
        self.ports = SwitchPorts(clock=self.clock)
        self.run_ip(
            f"link add sw0 address {MAC.hex(':')} type veth peer name eno1",
            "link set sw0 up",
            "link set eno1 up",
            "addr add 192.0.2.7/24 dev sw0",
        )

    def inside(self, call: Callable[[], Result]) -> Result:
        return self._inside.submit(call).result()

    def run_ip(self, *lines: str) -> None:
        self.inside(lambda: self._namespace.run_ip(lines))

    def start(self, *command: str, log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as output:
            return self.inside(lambda: self._namespace.start(command, stdout=output, stderr=output))

    def send(self, *frames: bytes) -> None:
        """Send frames from the switch port."""

        def send() -> None:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as link:
                for frame in frames:
                    link.sendto(frame, ("sw0", 0))

        self.inside(send)

    def heard(self) -> MemberNIC:
        """Return what the prober announces of the NIC, whose members and state it reads again."""
        self.clock.seconds += MEMBERS_S
        (member,) = self.inside(lambda: self.ports.poll({"extra": "eno1"}))
        return member

    def close(self) -> None:
        self.inside(self.ports.close)
        self._inside.shutdown()
        self._namespace.close()


@pytest.fixture
def cable() -> Iterator[Cable]:
    made = Cable()
    yield made
    made.close()


@pytest.fixture
def lldpd(cable: Cable, tmp_path: Path, short_folder: Path) -> Iterator[Callable[..., None]]:
    """A real lldpd behind the switch port, and a function that gives it commands."""
    control, log = short_folder / "lldpd", tmp_path / "lldpd.log"
    # lldpcli gives its privileges up.
    short_folder.chmod(0o711)
    command = [program("lldpd"), "-d", "-I", "sw0", "-C", "sw0", "-O", "/dev/null", "-k", "-m", "192.0.2.7"]
    running = cable.start(*command, "-u", str(control), log=log)

    def tell(*lines: str) -> None:
        said = subprocess.run(
            [program("lldpcli"), "-u", str(control)],
            input="\n".join(lines) + "\n",
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert said.returncode == 0, said.stderr

    wait_until(control.exists, log.read_text)
    yield tell
    running.terminate()
    running.wait()


@pytest.mark.lldpd
def test_what_lldpd_announces_is_heard(cable: Cable, lldpd: Callable[..., None]) -> None:
    """Switch, port, description, management address, native VLAN and VLANs; and that it has ended."""
    assert cable.heard().lldp is LLDPState.WAITING
    told = "configure ports sw0 lldp"
    lldpd(
        "configure system hostname sw-rack3",
        "configure system capabilities enabled bridge",
        f"{told} portidsubtype local Gi1/0/14",
        f'{told} portdescription "to node2"',
        f"{told} custom-tlv add oui 00,80,c2 subtype 1 oui-info 00,0a",
        *(
            f"{told} custom-tlv add oui 00,80,c2 subtype 3 oui-info 00,{vlan:02x},02,76,6d"
            for vlan in (10, 20, 21)
        ),
        "update",
    )
    expected = SwitchPort(
        switch="sw-rack3",
        port="Gi1/0/14",
        description="to node2",
        address=IPv4Address("192.0.2.7"),
        native_vlan=10,
        vlans=((10, 10), (20, 21)),
    )
    wait_until(lambda: cable.heard().port == expected, lambda: str(cable.heard()))
    lldpd("configure ports sw0 lldp status disabled")
    wait_until(lambda: cable.heard().port is None, lambda: str(cable.heard()))


def test_only_untagged_lldp_to_the_group_is_heard(cable: Cable) -> None:
    """With a VLAN tag it may be a tenant's; the NIC's own filter is told to let all three groups in."""
    cable.heard()
    filtered = cable.inside(Path("/proc/thread-self/net/dev_mcast").read_text)
    assert all(group.hex() in filtered for group in lldp.DESTINATIONS)
    frame = lldp_frame(PortLabel(switch="tenant", port="vnet0"), mac=MAC)
    tagged = frame[:12] + bytes.fromhex("81000007") + frame[12:]
    cable.send(tagged, b"\x02" + frame[1:], frame[:12] + b"\x88\xb5" + frame[14:])
    for number, group in enumerate(lldp.DESTINATIONS):
        label = PortLabel(switch=f"sw{number}", port="Gi1/0/14")
        cable.send(group + lldp_frame(label, mac=MAC)[6:])
        wait_until(functools.partial(_is_at, cable, label.switch))
        port = cable.heard().port
        assert port is not None
        assert port.others == 0


def _is_at(cable: Cable, switch: str) -> bool:
    port = cable.heard().port
    return port is not None and port.switch == switch


def test_a_nic_that_goes_and_comes_back_is_listened_on_again(cable: Cable) -> None:
    """Also as another interface of the same name; while it is down, the last port is told as such."""
    cable.heard()
    frame = lldp_frame(PortLabel(switch="sw-rack3", port="Gi1/0/14"), mac=MAC)
    cable.send(frame)
    wait_until(lambda: cable.heard().lldp is LLDPState.HEARD)
    cable.run_ip("link set sw0 down")
    wait_until(lambda: cable.heard().lldp is LLDPState.DOWN)
    down = cable.heard().port
    assert down is not None
    assert down.switch == "sw-rack3"
    cable.run_ip(
        "link del eno1", "link add sw0 type veth peer name eno1", "link set sw0 up", "link set eno1 up"
    )
    wait_until(lambda: cable.heard().lldp is LLDPState.WAITING)
    cable.send(frame)
    wait_until(lambda: cable.heard().lldp is LLDPState.HEARD)
