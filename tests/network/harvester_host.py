"""Harvester's network of one host, inside user-mode-linux: a bond of two NICs, and the VMs behind a bridge.

gateway ── fabric (namespace switch) ══ sw1, sw2 ══ nic1, nic2 (extra-bo) ── extra-br ── vm
"""

import re
import socket
import struct
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Address
from itertools import groupby

from services.prober.members.asking import MemberQuestions
from services.prober.members.running import is_up
from services.prober.sockets.bridges import BridgePort, LinkNotices, read_bridge_ports
from services.prober.sockets.members import read_members
from services.runtime.process.clock import SystemClock
from tests.support.user_mode_linux import load_modules, tell

CARRIED, MISSING = 100, 200
"""VLANs of the fabric; the bridge has the first."""
RANGE = range(300, 311)
_TOOL = re.compile(r"((?:ip|bridge)(?: -n \w+)?) (.*)")
SWITCH = f"""
ip netns add switch
ip link add extra-bo type bond mode active-backup miimon 100
ip link add nic1 type veth peer name sw1 netns switch
ip link add nic2 type veth peer name sw2 netns switch
ip link set nic1 master extra-bo
ip link set nic2 master extra-bo
ip link add extra-br type bridge vlan_filtering 1
ip link set extra-bo master extra-br
ip link set extra-bo up
ip link set extra-br up
ip link add vm type veth peer name tap
ip link set tap master extra-br
ip link set vm up
ip link set tap up
ip -n switch link add fabric type bridge vlan_filtering 1
ip -n switch link set sw1 master fabric
ip -n switch link set sw2 master fabric
ip -n switch link set sw1 up
ip -n switch link set sw2 up
ip -n switch link set fabric up
bridge vlan add dev extra-bo vid {CARRIED} master
bridge vlan add dev extra-bo vid {RANGE[0]}-{RANGE[-1]} master
"""
GATEWAY = """
bridge -n switch vlan add dev sw1 vid {vlan} master
bridge -n switch vlan add dev sw2 vid {vlan} master
bridge -n switch vlan add dev fabric vid {vlan} self
ip -n switch link add gw{vlan} link fabric type vlan id {vlan}
ip -n switch addr add {gateway}/24 dev gw{vlan}
ip -n switch link set gw{vlan} up
"""
BUNDLE = """
ip link add lag-bo type bond mode balance-xor xmit_hash_policy layer2 miimon 100
ip link add nic3 type veth peer name sw3 netns switch
ip link add nic4 type veth peer name sw4 netns switch
ip link set nic3 master lag-bo
ip link set nic4 master lag-bo
ip link set lag-bo up
ip -n switch link add sw-bo type bond mode balance-xor xmit_hash_policy layer2 miimon 100
ip -n switch link set sw3 master sw-bo
ip -n switch link set sw4 master sw-bo
ip -n switch link set sw-bo master fabric
ip -n switch link set sw-bo up
bridge -n switch vlan add dev sw-bo vid {vlan} master
"""
"""A second uplink whose switch sends each answer by the member that its hash names."""


def gateway_of(vlan: int) -> IPv4Address:
    return IPv4Address(f"10.0.{vlan}.1")


def make() -> None:
    """Build the host and its switch."""
    load_modules("bridge", "8021q", "veth", "bonding")
    shell(SWITCH)
    for vlan in (CARRIED, MISSING):
        shell(GATEWAY.format(vlan=vlan, gateway=gateway_of(vlan)))


def shell(commands: str) -> None:
    """Run commands of ip and bridge; those in a row with the same options in one process: each is slow."""
    parsed = [_TOOL.fullmatch(line) for line in commands.splitlines() if line]
    for tool, same in groupby(filter(None, parsed), key=lambda match: match[1]):
        batch = "\n".join(match[2] for match in same)
        subprocess.run([*tool.split(), "-batch", "-"], input=batch, text=True, check=True)


def answers(interface: str, vlan: int, *, tagged: bool, within_s: float = 10.0) -> bool:
    """Ask for the VLAN's gateway by ARP on an interface, repeatedly; return whether it answers in time."""
    source, broadcast = b"\x02\0\0\0\0\x07", b"\xff" * 6
    header = struct.pack("!HHBBH", 1, 0x800, 6, 4, 1)
    ask = header + source + bytes(4 + 6) + gateway_of(vlan).packed
    tag = struct.pack("!HH", 0x8100, vlan) if tagged else b""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as link:
        link.bind((interface, 3))
        link.settimeout(0.25)
        for _ in range(round(within_s / 0.25)):
            link.send(broadcast + source + tag + b"\x08\x06" + ask)
            try:
                while frame := link.recv(2048):
                    if frame[:6] == source and gateway_of(vlan).packed in frame:
                        return True
            except TimeoutError:
                continue
    return False


def vm_reaches(vlan: int, *, within_s: float = 10.0) -> bool:
    """Return whether a VM, as Harvester attaches it to this VLAN, reaches the gateway."""
    shell(f"bridge vlan add dev tap vid {vlan} pvid untagged master")
    found = answers("vm", vlan, tagged=False, within_s=within_s)
    shell(f"bridge vlan del dev tap vid {vlan} master")
    return found


def by_member(bond: str, vlan: int) -> list[bool | None]:
    """Ask through each member; return whether the gateway answers, None for one that could not be asked."""
    nics = read_members(bond)
    questions = MemberQuestions("node1", clock=SystemClock())
    found = questions.ask(bond, nics, vlan=vlan, gateway=int(gateway_of(vlan)), every=nics)
    return [found.get(nic) for nic in nics]


def port() -> BridgePort:
    return read_bridge_ports(["extra-bo", "lo"])["extra-bo"]


def noticed(change: str) -> list[bool]:
    """Return whether anything has changed before, after, and once more after this change."""
    notices = LinkNotices()
    until_quiet(notices.changed)
    before = notices.changed()
    shell(change)
    return [before, notices.changed(), notices.changed()]


def learned(port: str) -> list[str]:
    """Return the unicast MAC addresses that the switch has learned on a port."""
    text = subprocess.run(
        ["bridge", "-n", "switch", "fdb", "show", "br", "fabric", "brport", port],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return [line.split()[0] for line in text.splitlines() if "permanent" not in line]


def until_quiet(changed: Callable[[], bool]) -> None:
    while changed():
        pass


def main() -> None:
    make()
    found: dict[str, object] = {
        "on the bond": [answers("extra-bo", vlan, tagged=True) for vlan in (CARRIED, MISSING)],
        "from a vm": [vm_reaches(CARRIED), vm_reaches(MISSING, within_s=1)],
        "carried": [vlan for vlan in range(1, 4095) if port().carries(vlan)],
        "blocked": port().is_blocked,
        "ports": sorted(read_bridge_ports(["extra-bo", "lo", "nic1", "extra-br", "tap"])),
    }
    found["noticed"] = noticed(f"bridge vlan add dev extra-bo vid {MISSING} master")
    found["added"] = [port().carries(MISSING), vm_reaches(MISSING)]
    shell("bridge link set dev extra-bo state 0")
    on_the_bond = answers("extra-bo", CARRIED, tagged=True)
    found["blocking"] = [port().is_blocked, vm_reaches(CARRIED, within_s=1), on_the_bond]
    shell("bridge link set dev extra-bo state 3")
    found["members"] = [read_members("extra-bo"), by_member("extra-bo", CARRIED)]
    shell(f"bridge -n switch vlan del dev sw2 vid {CARRIED} master")
    # The bond sends by nic1 and hears nothing of it.
    found["half a trunk"] = [answers("extra-bo", CARRIED, tagged=True), by_member("extra-bo", CARRIED)]
    shell("ip -n switch link set sw2 down")
    found["one down"] = [is_up("nic1"), is_up("nic2"), by_member("extra-bo", CARRIED)[0]]
    shell(BUNDLE.format(vlan=CARRIED))
    assert answers("lag-bo", CARRIED, tagged=True)
    found["bundle"] = by_member("lag-bo", CARRIED)
    found["macs"] = sorted(set(learned("sw-bo")))
    shell("ip link set extra-br type bridge vlan_filtering 0")
    found["unfiltered"] = port().vlans is None
    tell(found)


if __name__ == "__main__":
    main()
