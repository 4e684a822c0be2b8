"""`make demo`: start everything, apply the examples, show what becomes of them, leave nothing behind."""

from __future__ import annotations

import argparse
import contextlib
import os
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
from lab.demo.processes import ProcessDied, mortal
from lab.demo.system import FLOWER_USER, PROGRAM, System, clear_environment
from lab.prerequisites import missing_prerequisites
from lab.site import Site, SiteError
from lab.site_file import load_site

START_TIMEOUT_S = 60.0
EXAMPLES_TIMEOUT_S = 120.0
LOOK_INTERVAL_S = 0.2

interrupted = threading.Event()


def main(argv: Sequence[str] | None = None) -> int:
    """0: all examples are as expected (or Ctrl-C ended the live table); 1: not in time; 2: cannot start."""
    parser = argparse.ArgumentParser(prog="make demo")
    parser.add_argument("--once", action="store_true", help="end when every example is as its file says")
    parser.add_argument("--site", type=Path, default=Path("examples/site.yaml"))
    parser.add_argument("--networks", type=Path, default=Path("examples/networks"))
    parser.add_argument("--seeds", type=Path, default=Path("examples/seeded"))
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
    system = System(site, folder, seeds=options.seeds)
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
        return _show_until_interrupted(system)
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
            print(f"--- {log.name}", *_worries(log), sep="\n", file=sys.stderr)
        return 1
    if interrupted.is_set():
        return 130
    seconds = time.monotonic() - started
    print(f"All {len(examples.expected)} examples became what their files say, within {seconds:.0f} s.")
    return 0


def _show_until_interrupted(system: System) -> int:
    """nadroute's own live table; it is what an operator would have open."""
    command = mortal([str(PROGRAM), "status", "--watch"])
    table = subprocess.Popen(command, env={**os.environ, **system.environment})
    try:
        while table.poll() is None and not interrupted.wait(LOOK_INTERVAL_S):
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


def _worries(log: Path) -> list[str]:
    """The last lines of a log that are no everyday ones."""
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
    nadroute demo tour            # break a gateway, watch, explain, heal: guided
    nadroute demo shell {hosts[0].name}     # a shell on a host of the site
    nadroute explain default/annex
    kubectl get network-attachment-definitions -A
"""


def _missing(site: Site) -> list[str]:
    missing = missing_prerequisites(site)
    if shutil.which("setpriv") is None:
        missing.append("setpriv is not installed (Debian package util-linux)")
    if not PROGRAM.exists():
        missing.append(f"{PROGRAM} is not there: make venv")
    return missing


def _wait(system: System, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Look again and again until it is so; TimeoutError when it is not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        system.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:.0f} s for {what}")
        if interrupted.wait(LOOK_INTERVAL_S):
            return


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    interrupted.set()


def _refuse(why: str) -> int:
    print(f"demo: {why}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
