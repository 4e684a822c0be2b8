"""The benchmark's programs over real cables: what they answer, what they send, and how they end."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.compiling import Programs
from bench.engine import Scan
from bench.processes import RunFailed
from bench.trunk import Trunk, open_trunk
from lab.bigsite.bpf import BPFUnavailable
from lab.bigsite.fabric import FAR_END, UPLINK, big_site, cable
from lab.namespaces import python_environment
from lab.prerequisites import program
from tests.conftest import unavailable

pytestmark = [pytest.mark.root, pytest.mark.compiler]
VLANS = 64
WAIT_S = 60.0


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory, compiled_engine: Path) -> Programs:
    return Programs(tmp_path_factory.mktemp("programs"), engine=compiled_engine)


@pytest.fixture
def trunk(programs: Programs) -> Iterator[Trunk]:
    with open_trunk(programs) as opened:
        yield opened


@pytest.mark.parametrize(("lease", "ping"), [(False, False), (False, True), (True, True)])
def test_the_baseline_does_the_whole_exchange_on_every_vlan(trunk: Trunk, lease: bool, ping: bool) -> None:
    """The responder counted each step once per VLAN: neither side leaves out work."""
    with trunk.responder():
        done = trunk.baseline(vlans=VLANS, lease=lease, ping=ping)
    assert 0 < done.cpu_s < WAIT_S
    expected = {
        "discovers": VLANS,
        "requests": VLANS * lease,
        "releases": VLANS * lease,
        "arps": VLANS,
        "echoes": VLANS * ping,
    }
    assert {name: trunk.seen[name] for name in expected} == expected


def test_a_muted_vlan_is_silent_and_the_baseline_says_so(trunk: Trunk, programs: Programs) -> None:
    """A run that did not finish is never a measurement."""
    with trunk.responder(mute=VLANS), pytest.raises(RunFailed):
        trunk.baseline(vlans=VLANS, give_up_s=0.3)
    assert trunk.seen["arps"] == VLANS - 1


def test_the_engine_is_measured_and_judged(trunk: Trunk) -> None:
    """Every VLAN, dead or not, has the right result, and the costs are measured."""
    with trunk.responder(mute=10):
        probed = trunk.probe(Scan(vlans=VLANS, deadline_s=1.5, mute=10))
    assert probed.wrong == 0
    assert 0 < probed.cpu_s < probed.process_cpu_s
    assert probed.peak_mib > 1


def test_a_wrong_engine_is_found_out(trunk: Trunk) -> None:
    """VLANs that answer although they should be dead count as wrong."""
    with trunk.responder():
        probed = trunk.probe(Scan(vlans=VLANS, deadline_s=1.5, mute=10))
    assert probed.wrong == VLANS // 10


def test_a_scan_that_breaks_is_a_failed_run(trunk: Trunk) -> None:
    """A failed scan raises, so that its row is left out of the table with the reason."""
    with trunk.responder(), pytest.raises(RunFailed):
        trunk.probe(Scan(vlans=1, depth="nonsense"))


def test_the_responder_survives_frames_that_lie(programs: Programs) -> None:
    """Truncated, overlong and contradictory frames are ignored, and the next valid one is answered."""
    with cable() as site:
        opened = Trunk(programs, site)
        with opened.responder():
            site.host.enter()
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as sender:
                sender.bind((UPLINK, 0))
                sender.settimeout(WAIT_S)
                for frame in lies():
                    sender.send(frame)
                # Old contents of the buffer must not complete a truncated option; the second frame is sent
                # alone, so it has the same place in the buffer.
                for _ in range(2):
                    sender.send(DISCOVER)
                    while sender.recvfrom(2048)[1][2] == socket.PACKET_OUTGOING:
                        pass
                sender.send(DISCOVER[:-2])
            opened.baseline(vlans=VLANS)
        assert opened.seen["discovers"] == VLANS + 2
        assert opened.seen["arps"] == VLANS
        assert opened.seen["echoes"] == 0
        assert opened.seen["received"] == 2 * VLANS + len(lies()) + 3


ETH_P_ALL = 3
HEAD = b"\xff" * 6 + b"\x02\0\0\0\0\7" + b"\x81\0\0\7"
"""A broadcast from an arbitrary station, with the tag of VLAN 7."""
IP = bytes.fromhex("45000103000000004011") + b"\0\0" + bytes(4) + b"\xff" * 4
UDP = bytes.fromhex("0044004300ef0000")
COOKIE = b"\x63\x82\x53\x63"
DISCOVER = HEAD + b"\x08\0" + IP + UDP + b"\1\1\6\0" + bytes(232) + COOKIE + b"\x35\1\1"
TYPE_AT = len(DISCOVER) - 3


def lies() -> list[bytes]:
    """Return tagged frames, each malformed in its own way."""
    before, fields = DISCOVER[:TYPE_AT], len(HEAD + b"\x08\0" + IP + UDP)
    long_echo = bytearray(IP + b"\x08\0\0\0" + bytes(1000))
    long_echo[2:4] = (1500).to_bytes(2, "big")
    long_echo[9] = 1
    long_echo[16:20] = b"\x0a\0\x70\1"
    to_gateway = b"\2\xfe\0\0\0\7" + HEAD[6:]
    other_address = b"\0\1\x08\0\6\4\0\1" + bytes(16) + b"\x0a\0\x70\2"
    return [
        HEAD + b"\x08\0\x45\0",
        HEAD + b"\x08\6" + bytes(10),
        HEAD + b"\x08\6" + other_address,
        HEAD + b"\x08\0" + IP[:19],
        before,
        before + b"\x35",
        before + b"\x35\xff\1",
        before + b"\x35\x00" + b"\x35\x02\1\1",
        DISCOVER[:60],
        DISCOVER[:fields] + b"\2" + DISCOVER[fields + 1 :],
        DISCOVER.replace(COOKIE, b"\0\0\0\0"),
        to_gateway + b"\x08\0" + bytes(long_echo),
        HEAD + b"\x08\0" + b"\x4f" + DISCOVER[len(HEAD) + 3 :],
    ]


def test_the_responder_ends_with_whoever_started_it(programs: Programs) -> None:
    """A killed benchmark leaves no process behind."""
    starter = textwrap.dedent(f"""
        import subprocess, sys
        child = subprocess.Popen([{str(programs.responder)!r}, "lo"], stdout=subprocess.PIPE)
        child.stdout.readline()
        print(child.pid, flush=True)
        sys.stdin.read()
        """)
    with subprocess.Popen(
        [sys.executable, "-c", starter], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        descriptor = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    try:
        ended, _, _ = select.select([descriptor], [], [], WAIT_S)
        assert ended
    finally:
        if not ended:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        os.close(descriptor)


@pytest.mark.parametrize("argument", ["0", "-1", "4095", "7x", ""])
def test_the_programs_refuse_numbers_that_make_no_sense(programs: Programs, argument: str) -> None:
    """An invalid number is refused with the expected range."""
    done = subprocess.run(
        [programs.baseline, "-n", argument, "lo"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "expected a number from 1 to 4094" in done.stderr


@pytest.mark.dhcpd
def test_a_big_site_has_real_servers_and_gateways_on_each_vlan(programs: Programs) -> None:
    """The baseline gets a lease and an echo on all VLANs, and this process returns to its namespace."""
    before = Path("/proc/self/ns/net").readlink()
    limits = Path("/sys/kernel/rcu_expedited").read_text()
    try:
        with big_site(range(1, 9)) as site:
            assert Path("/proc/self/ns/net").readlink() != before
            Trunk(programs, site).baseline(vlans=8, lease=True, ping=True)
            site.network.enter()
            assert socket.if_nametoindex(FAR_END)
    except BPFUnavailable as error:
        unavailable(str(error))
    assert Path("/proc/self/ns/net").readlink() == before
    assert Path("/sys/kernel/rcu_expedited").read_text() == limits


def test_the_command_prints_a_table_and_writes_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], programs: Programs
) -> None:
    """A single section, run once, prints the same rows that it writes as JSON."""
    result = tmp_path / "deep" / "result.json"
    assert main(["--runs", "1", "--only", "parsing", "--json", str(result)]) == 0
    document = json.loads(result.read_text())
    names = [entry["name"] for entry in document["entries"]]
    assert "good: OFFER" in names
    printed = capsys.readouterr().out
    assert all(name in printed for name in names)
    assert document["machine"]["processors"] == os.cpu_count()


def test_without_a_compiler_one_line_says_which_package(
    tmp_path: Path,
) -> None:
    """A missing compiler is reported in one line with its package, without a traceback."""
    for name in ("ip", "unshare", "nsenter", "sleep"):
        (tmp_path / name).symlink_to(program(name))
    environment = {**python_environment(), "PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--only", "parsing"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        "benchmark failed: gcc is not installed (Debian packages gcc and libc6-dev)"
    ]
