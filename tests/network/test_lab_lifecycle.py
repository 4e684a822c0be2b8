"""Start and end of a site: its errors, and that nothing is left of it."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.control import send
from lab.namespaces import python_environment
from lab.running import start_site
from lab.site import ServerKind, SiteError
from lab.site_builder import build_site, build_vlan
from lab.site_file import load_site
from tests.network.lab_site import Footprint, family, require_lab

SITE = build_site([build_vlan(7), build_vlan(8, server=ServerKind.BUILTIN, second_server=ServerKind.UDHCPD)])
EXAMPLE = Path(__file__).parents[2] / "examples" / "site.yaml"


@pytest.fixture(autouse=True)
def lab_required() -> None:
    """Skip this module without the lab."""
    require_lab(SITE)


def wait_all(descriptors: list[int]) -> None:
    """Wait until the processes behind `descriptors` have ended."""
    for descriptor in descriptors:
        assert select.select([descriptor], [], [], 10)[0]
        os.close(descriptor)


def test_stopping_leaves_nothing(tmp_path: Path) -> None:
    """After the context there is no process, no namespace and no file."""
    state = tmp_path / "state"
    with start_site(SITE, state) as site:
        footprint = Footprint.of(site.pid)
        expected = len(site.description.hosts) + len(site.description.namespaces)
        assert len(footprint.namespaces) == expected
        assert len(footprint.processes) > expected
    assert footprint.remains() == []
    assert not state.exists()


def test_a_process_left_on_a_host_ends_with_it(tmp_path: Path) -> None:
    """A process that still runs in a host's namespace is ended, so that the namespace disappears."""
    with (
        start_site(SITE, tmp_path / "state") as site,
        subprocess.Popen([*site.command("node1"), "sleep", "600"], stdout=subprocess.PIPE) as left,
    ):
        site.stop()
        assert left.wait(60) == -signal.SIGKILL


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_each_signal_takes_the_site_down(tmp_path: Path, end: signal.Signals) -> None:
    """On each signal the process ends with 0 and stops everything."""
    state = tmp_path / "state"
    command = [sys.executable, "-m", "lab.site_main", "--file", str(EXAMPLE), "--state", str(state)]
    vlans = len(load_site(EXAMPLE).vlans)
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=python_environment()) as programme:
        assert programme.stdout is not None
        said = programme.stdout.readline()
        footprint = Footprint.of(programme.pid)
        programme.send_signal(end)
        assert programme.wait(60) == 0
    assert said.startswith(f"ready: 2 hosts, {vlans} VLANs".encode())
    assert footprint.remains() == []
    assert not state.exists()


def test_the_site_ends_with_its_parent(tmp_path: Path) -> None:
    """If the parent is killed, the site stops itself and removes its files."""
    script = (
        "import sys; from pathlib import Path; from lab.running import start_site\n"
        "site = start_site(Path(sys.argv[1]), Path(sys.argv[2])); print(site.pid, flush=True)\n"
        "sys.stdin.read()"
    )
    state = tmp_path / "state"
    command = [sys.executable, "-c", script, str(EXAMPLE), str(state)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=python_environment()
    ) as parent:
        assert parent.stdout is not None
        footprint = Footprint.of(int(parent.stdout.readline()))
        ends = [os.pidfd_open(pid) for pid in footprint.processes]
        parent.kill()
        parent.wait()
    wait_all(ends)
    assert footprint.remains() == []
    assert not state.exists()


def test_a_killed_site_leaves_no_process_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    """SIGKILL leaves at most files; the same state directory can be used again."""
    state = tmp_path / "state"
    first = start_site(SITE, state)
    footprint = Footprint.of(first.pid)
    ends = [os.pidfd_open(pid) for pid in footprint.processes]
    os.kill(first.pid, signal.SIGKILL)
    wait_all(ends)
    assert footprint.remains() == []
    assert (state / "site.json").exists()
    with start_site(SITE, state) as second:
        send(state, "break 7")
        assert second.is_running()
    assert not (state / "site.json").exists()
    first.stop()


def test_when_a_server_dies_the_site_says_so_and_ends(tmp_path: Path) -> None:
    """A site that lost a process reports it and ends."""
    state = tmp_path / "state"
    command = [sys.executable, "-m", "lab.site_main", "--file", str(EXAMPLE), "--state", str(state)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=python_environment()
    ) as programme:
        assert programme.stdout is not None
        assert programme.stdout.readline()
        for pid in family(programme.pid):
            if b"lab.switch" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        _, said = programme.communicate(timeout=60)
    assert programme.returncode == 1
    assert said == b"lab: switch ended: no output\n"
    assert not state.exists()


def test_two_sites_do_not_share_a_state_directory(tmp_path: Path) -> None:
    """The second site is refused and does not affect the first."""
    state = tmp_path / "state"
    with start_site(SITE, state) as first:
        with pytest.raises(SiteError, match="another lab is running"):
            start_site(SITE, state)
        send(state, "heal 7")
        assert first.is_running()


def test_two_sites_run_side_by_side(tmp_path: Path) -> None:
    """Two sites share neither namespaces nor files."""
    with start_site(SITE, tmp_path / "a") as first, start_site(SITE, tmp_path / "b") as second:
        assert not Footprint.of(first.pid).namespaces & Footprint.of(second.pid).namespaces


def test_a_very_long_state_directory_works(tmp_path: Path) -> None:
    """The control socket works although its path is longer than a socket's address may be."""
    state = tmp_path / ("long" * 30) / "state"
    with start_site(SITE, state):
        send(state, "break extra/7")


def test_a_mistake_in_the_file_is_one_line_and_starts_nothing(tmp_path: Path) -> None:
    """An invalid file is reported in one line, with exit code 1, before anything is started."""
    file = tmp_path / "site.yaml"
    file.write_text("management: {}\n")
    state = tmp_path / "state"
    command = [sys.executable, "-m", "lab.site_main", "--file", str(file), "--state", str(state)]
    done = subprocess.run(command, capture_output=True, text=True, env=python_environment(), check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"lab: {file}: management.cidr: missing\n"
    assert not state.exists()


def test_a_state_directory_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    """start_site raises the line that the process printed."""
    (tmp_path / "file").touch()
    with pytest.raises(SiteError, match=r"file/state: Not a directory$"):
        start_site(SITE, tmp_path / "file" / "state")
