"""`make demo`: start everything, apply the example networks, show their states, and clean up."""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from lab.demo.examples import ExampleError, Examples, load_examples
from lab.demo.kubernetes_client import KubernetesClient
from lab.demo.processes import ProcessDied, mortal
from lab.demo.system import FLOWER_USER, PROGRAM, System, clear_environment
from lab.prerequisites import missing_prerequisites
from lab.site import Site, SiteError
from lab.site_file import load_site

START_TIMEOUT_S = 60.0
EXAMPLES_TIMEOUT_S = 120.0
READING_TIME_S = 20.0
POLL_INTERVAL_S = 0.2

interrupted = threading.Event()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; return 0 on success or Ctrl-C, 1 on a failure or timeout, 2 if it cannot start."""
    parser = argparse.ArgumentParser(
        prog="python -m lab.demo", description="Run nadroute on a site of network namespaces."
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--once", action="store_true", help="end when each network has its expected state")
    mode.add_argument("--observe-only", action="store_true", help="write nothing to the networks")
    parser.add_argument(
        "--site", type=Path, default=Path("examples/site.yaml"), help="the site (default: %(default)s)"
    )
    parser.add_argument(
        "--networks",
        type=Path,
        default=Path("examples/networks"),
        help="folder of the networks to apply (default: %(default)s)",
    )
    parser.add_argument(
        "--seeds",
        type=Path,
        default=Path("examples/seeded"),
        help="folder of the networks that exist before the admission webhook (default: %(default)s)",
    )
    options = parser.parse_args(argv)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        site, examples = load_site(options.site), load_examples(options.networks, options.seeds)
    except (SiteError, ExampleError, OSError) as error:
        return _refuse(str(error))
    if missing := _missing(site):
        return _refuse("; ".join(missing))
    clear_environment()
    folder = Path(tempfile.mkdtemp(prefix="nadroute-", dir="/tmp"))
    system = System(site, folder, seeds=options.seeds, observe_only=options.observe_only)
    try:
        return _run(system, examples, once=options.once)
    except (ProcessDied, SiteError, TimeoutError, RuntimeError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    finally:
        system.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _run(system: System, examples: Examples, *, once: bool) -> int:
    print(
        f"Starting a site with {len(system.site.hosts)} hosts and {len(system.site.vlans)} VLANs …",
        flush=True,
    )
    system.start_lab()
    _wait(system, system.is_lab_ready, START_TIMEOUT_S, "Redis and the API server to be ready")
    system.start_services()
    client = system.client()
    for namespace in examples.namespaces:
        client.create_namespace(namespace)
    for example in examples.applied:
        client.create_network(example.namespace, example.body)
    print(_instructions(system), flush=True)
    if not once:
        if sys.stdin.isatty() and sys.stdout.isatty():
            wait_for_reader(system.check)
        return _show_until_interrupted(system)
    return _check_examples(system, client, examples)


def _check_examples(system: System, client: KubernetesClient, examples: Examples) -> int:
    """Wait until every network is as expected; return the exit code."""
    started = time.monotonic()
    differences: dict[str, str] = {}

    def all_as_expected() -> bool:
        present, events = client.annotations(), client.events()
        differences.clear()
        for example in examples.expected:
            key = (example.namespace, example.name)
            why = example.expected.differs(present.get(key, {}), events.get(key, frozenset()))
            if why is not None:
                differences[f"{example.namespace}/{example.name}"] = why
        return not differences

    with contextlib.suppress(TimeoutError):
        _wait(system, all_as_expected, EXAMPLES_TIMEOUT_S, "the examples")
    subprocess.run([PROGRAM, "status"], env={**os.environ, **system.environment}, check=False)
    if differences:
        for network, why in differences.items():
            print(f"demo: {network}: {why}", file=sys.stderr)
        probe = [str(PROGRAM), "probe", "--wait", *differences]
        subprocess.run(probe, env={**os.environ, **system.environment}, check=False, timeout=60)
        for log in sorted((system.folder / "logs").glob("*.log")):
            print(f"--- {log.name}", *_last_warnings(log), sep="\n", file=sys.stderr)
        return 1
    if interrupted.is_set():
        return 130
    seconds = time.monotonic() - started
    count = len(examples.expected)
    print(f"All {count} networks have the state that their file expects, after {seconds:.0f} s.")
    return 0


def wait_for_reader(check: Callable[[], None], *, limit_s: float = READING_TIME_S) -> None:
    """Leave the instructions on the screen until Enter, or for limit_s: the table may hide them."""
    print(f"The table of all networks follows when you press Enter, or in {limit_s:.0f} s.", flush=True)
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline and not interrupted.is_set():
        check()
        if select.select([sys.stdin], [], [], POLL_INTERVAL_S)[0]:
            sys.stdin.readline()
            return


def _show_until_interrupted(system: System) -> int:
    """Show `nadroute status --watch` until Ctrl-C."""
    command = mortal([str(PROGRAM), "status", "--watch"])
    table = subprocess.Popen(command, env={**os.environ, **system.environment})
    try:
        while table.poll() is None and not interrupted.wait(POLL_INTERVAL_S):
            system.check()
    finally:
        if table.poll() is None:
            table.send_signal(signal.SIGINT)
            try:
                table.wait(5)
            except subprocess.TimeoutExpired:
                table.kill()
                table.wait()
    print("Stopping …", flush=True)
    return 0


def _last_warnings(log: Path) -> list[str]:
    """Return the last five lines of a log that are not at level info."""
    lines = log.read_text(errors="replace").splitlines()
    return [line[:300] for line in lines if '"level": "info"' not in line][-5:]


def _instructions(system: System) -> str:
    hosts = system.site.hosts
    return f"""
  Flower      http://127.0.0.1:{system.flower_port}   user {FLOWER_USER}, password {system.flower_password}
  metrics     http://127.0.0.1:{system.watcher_port}/metrics (watcher), :{system.updater_port} (updater)
  kubeconfig  {system.kubeconfig}
  logs        {system.folder}/logs

  In another terminal:
    eval "$({PROGRAM} demo env)"
    nadroute demo tour            # guided: break, watch, explain, heal
    nadroute demo shell {hosts[0].name}     # a shell on a host of the site
    nadroute explain default/annex
    kubectl get network-attachment-definitions -A
"""


def _missing(site: Site) -> list[str]:
    missing = missing_prerequisites(site)
    if shutil.which("setpriv") is None:
        missing.append("setpriv is not installed (Debian package util-linux)")
    if not PROGRAM.exists():
        missing.append(f"{PROGRAM} does not exist: run `make venv`")
    return missing


def _wait(system: System, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Poll until the condition holds or the demo is interrupted. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        system.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"timed out after {timeout_s:.0f} s waiting for {what}")
        if interrupted.wait(POLL_INTERVAL_S):
            return


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    interrupted.set()


def _refuse(reason: str) -> int:
    print(f"demo: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
