"""Real frames: a host of the lab, and the programs at the other end of its cable.

They bypass the site's switch: they send on VLANs where the site has no stations, or break the cable. The
VLANs that the site serves are the neighbours that must not be affected.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.namespaces import python_environment
from lab.prerequisites import program
from lab.running import RunningSite
from lab.site import ServerKind
from lab.site_builder import build_site, build_vlan
from services.contract.messages import SegmentProbe, Target, Verdict
from services.contract.outcomes import DHCPOutcome, ReachOutcome

HOST, UPLINK, PORT = "node1", "extra-bo", "trunk0"
SERVED = range(1, 9)
EMPTY = 50
"""A VLAN on which the site has no stations, like all from here on."""
WAIT_S = 60.0

SITE = build_site([build_vlan(vlan, server=ServerKind.BUILTIN) for vlan in SERVED], hosts=1)
GATEWAYS = {vlan.vlan: str(vlan.gateway) for vlan in SITE.vlans}


def at_port(site: RunningSite) -> list[str]:
    """Return the prefix of a command that runs at the other end of the host's cable, at PORT."""
    user = ["-U", "--preserve-credentials"] if site.description.user_namespace else []
    return [program("nsenter"), "-t", str(site.description.namespaces["fabric"]), *user, "-n", "--"]


def ip(where: Sequence[str], *lines: str) -> None:
    """Run `ip` on each of the lines, in order."""
    for line in lines:
        subprocess.run(
            [*where, program("ip"), *line.split()], check=True, capture_output=True, timeout=WAIT_S
        )


def ask(vlan: int) -> SegmentProbe:
    """Build a probe of DHCP and of the gateway that it names."""
    return SegmentProbe(vlan=vlan, ask_dhcp=True, targets=(Target(digest="0" * 16),))


class Probing:
    """The prober's runner, running on the host."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n", "the program says when it has begun"

    @property
    def pid(self) -> int:
        return self._process.pid

    def peak_kb(self) -> int:
        """Return the peak resident memory, sampled until it ended; only for programs with little output."""
        peak, deadline = 0, time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            status = Path(f"/proc/{self.pid}/status").read_text()
            if "VmHWM:" in status:
                peak = int(status.split("VmHWM:")[1].split()[0])
            try:
                self._process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            return peak
        raise AssertionError("it does not end")

    def verdicts(self) -> dict[int, Verdict]:
        """Wait for all verdicts and return them by VLAN."""
        # Not communicate(), which would miss what came together with the first line, and lies in a buffer.
        assert self._process.stdout is not None
        output = self._process.stdout.read()
        assert self._process.wait(WAIT_S) == 0
        printed = json.loads(output.splitlines()[-1])
        verdicts = [Verdict.model_validate_json(json.dumps(verdict)) for verdict in printed["verdicts"]]
        return {verdict.segment.vlan: verdict for verdict in verdicts}


@contextmanager
def probing(
    site: RunningSite, wanted: Iterable[int | SegmentProbe], *, deadline_s: float = 12.0, uplink: str = UPLINK
) -> Iterator[Probing]:
    """Probe on the host's uplink for the duration of the block; a VLAN by its number as ask() does."""
    probes = json.dumps([(ask(one) if isinstance(one, int) else one).to_wire() for one in wanted])
    arguments = ["-m", "tests.network.prober_program", uplink, probes, "--deadline", str(deadline_s)]
    with subprocess.Popen(
        [*site.command(HOST), sys.executable, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=python_environment(),
    ) as process:
        try:
            yield Probing(process)
        finally:
            if process.poll() is None:
                process.kill()


def probe(
    site: RunningSite, wanted: Iterable[int | SegmentProbe], *, deadline_s: float = 12.0, uplink: str = UPLINK
) -> dict[int, Verdict]:
    """Probe, and return the verdicts by VLAN."""
    with probing(site, wanted, deadline_s=deadline_s, uplink=uplink) as running:
        return running.verdicts()


@contextmanager
def standing_at_port(site: RunningSite, module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a module of this folder at the other end of the cable; it ends at the end of its input."""
    with standing(at_port(site), module, PORT, *arguments) as process:
        yield process


@contextmanager
def standing_on_host(site: RunningSite, module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a module of this folder on the host, at its uplink."""
    with standing(site.command(HOST), module, UPLINK, *arguments) as process:
        yield process


@contextmanager
def standing(where: Sequence[str], module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a module of this folder behind this prefix; it ends at the end of its input."""
    with subprocess.Popen(
        [*where, sys.executable, "-m", f"tests.faults.{module}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=python_environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.stdin.close()
            try:
                process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def last_words(process: subprocess.Popen[str]) -> str:
    """End a module and return its last output."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    return process.stdout.readline()


def wait_for_packet_socket(pid: int) -> None:
    """Wait until a packet socket is bound to an interface in the network namespace of this process."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        lines = Path(f"/proc/{pid}/net/packet").read_text().splitlines()[1:]
        # sk, RefCnt, Type, Proto, Iface, R, Rmem, User, Inode
        if any(line.split()[4] != "0" for line in lines):
            return
    raise AssertionError("nobody listens")


def assert_served(verdicts: dict[int, Verdict], vlans: Iterable[int] = SERVED) -> None:
    """Assert that the neighbours were found completely."""
    for vlan in vlans:
        verdict = verdicts[vlan]
        assert verdict.fault is None
        assert outcome(verdict) is DHCPOutcome.OFFERED, f"VLAN {vlan}"
        assert str(verdict.targets[0].gateway) == GATEWAYS[vlan]
        assert verdict.targets[0].vlan.outcome is ReachOutcome.REACHABLE, f"VLAN {vlan}"


def outcome(verdict: Verdict) -> DHCPOutcome:
    """Return the outcome of DHCP."""
    assert verdict.dhcp is not None
    return verdict.dhcp.outcome


def offerers(verdict: Verdict) -> list[str]:
    """Return the servers that offered."""
    assert verdict.dhcp is not None
    return [str(offer.server) for offer in verdict.dhcp.servers]
