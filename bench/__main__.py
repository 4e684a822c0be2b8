"""Run the benchmarks, print one table and write it as JSON: `python -m bench`."""

import argparse
import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench import (
    by_hand,
    causes,
    exchanges,
    host_cost,
    incumbent,
    loop,
    loop_throttled,
    noticing,
    parsing,
    real_servers,
)
from bench.compiling import CompilerMissing, Programs
from bench.processes import RunFailed
from bench.table import Entry, Skipped, render
from lab.kernel import become_root_of_new_user_namespace, enter_network, new_network
from lab.prerequisites import has_namespace_rights, missing_prerequisites
from lab.site import SiteError
from services.runtime.process.signals import handling

RESULTS = Path(__file__).resolve().parent / "results" / "latest.json"
_RUNS = 7
_FEW_RUNS = 3
"""For sections in which one run takes seconds."""
_SIZE = "BENCH_LOOP_NETWORKS"
"""Variable with the number of networks in the loop, for a quick try."""


def _networks(default: int) -> int:
    """Return how many networks a section of the loop has."""
    return min(default, int(os.environ.get(_SIZE, default)))


Measure = Callable[[Programs, int], Iterator[Entry]]
SECTIONS: dict[str, Measure] = {
    "parsing": lambda _, runs: parsing.measure(runs=runs),
    "exchange": lambda programs, runs: exchanges.measure(programs, runs=runs),
    "by-hand": lambda programs, runs: by_hand.measure(programs, runs=min(runs, _FEW_RUNS)),
    "loop": lambda _programs, _runs: loop.measure(networks=_networks(loop.NETWORKS)),
    "loop-throttled": lambda _programs, _runs: loop_throttled.measure(
        networks=_networks(loop_throttled.NETWORKS)
    ),
    "noticing": lambda _programs, _runs: noticing.measure(),
    "causes": lambda _programs, _runs: causes.measure(),
    "incumbent": lambda programs, _runs: incumbent.measure(programs, networks=_networks(incumbent.NETWORKS)),
    "host-cost": lambda programs, runs: host_cost.measure(
        programs, runs=min(runs, _FEW_RUNS), networks=_networks(host_cost.NETWORKS)
    ),
    # Last: the kernel then needs a while to delete thousands of interfaces.
    "servers": lambda programs, runs: real_servers.measure(programs, runs=min(runs, _FEW_RUNS)),
}

_UNPRIVILEGED = ("parsing", "loop", "loop-throttled", "noticing", "causes")
"""Sections that root in a user namespace can measure."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if everything was measured, even beyond a limit; 1 for a wrong verdict or a failed section."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=_RUNS, help="runs per measurement (default: %(default)s)")
    parser.add_argument(
        "--only", choices=SECTIONS, action="append", help="measure only this section; repeatable"
    )
    parser.add_argument("--json", type=Path, default=RESULTS, help="output file (default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.runs < 1:
        parser.error("--runs: expected at least 1")
    is_root = has_namespace_rights()
    if not is_root:
        with contextlib.suppress(OSError):
            become_root_of_new_user_namespace()
            # The user namespace has no rights in the network namespace that it came from.
            new_network()
    if missing := missing_prerequisites():
        sys.exit("cannot run the benchmarks here: " + "; ".join(missing))
    try:
        # Namespaces and kernel settings are restored after a signal or an error too.
        with handling(lambda *_: sys.exit(143), [signal.SIGTERM]):
            entries = measure(options.only or list(SECTIONS), runs=options.runs, is_root=is_root)
    except (CompilerMissing, RunFailed) as error:
        sys.exit(f"benchmark failed: {error}")
    except KeyboardInterrupt:
        return 130
    print(render(entries))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(_document(entries), indent=1, ensure_ascii=False) + "\n")
    print(f"\n{_machine()}\nJSON: {os.path.relpath(options.json)}")
    return 1 if any(entry.is_wrong for entry in entries) else 0


def measure(names: Sequence[str], *, runs: int, is_root: bool) -> list[Entry]:
    """Measure the named sections, in the order of SECTIONS. Raises CompilerMissing without a C compiler."""
    entries: list[Entry] = []
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    with tempfile.TemporaryDirectory(prefix="nadroute-bench-") as directory:
        programs = Programs(Path(directory))
        for name in SECTIONS:
            if name in names and not is_root and name not in _UNPRIVILEGED:
                entries.append(Skipped(name, "requires root, for large buffers and eBPF"))
            elif name in names:
                print(f"measuring: {name} ...", file=sys.stderr, flush=True)
                try:
                    entries.extend(SECTIONS[name](programs, runs))
                except (RunFailed, SiteError) as error:
                    # The other sections are still worth measuring.
                    entries.append(Skipped(name, str(error), is_wrong=True))
                enter_network(home)
    os.close(home)
    return entries


def _machine() -> str:
    return (
        f"{os.cpu_count()} processors, Linux {platform.release()} {platform.machine()}, "
        f"Python {platform.python_version()}, load average {os.getloadavg()[0]:.1f}"
    )


def _document(entries: Sequence[Entry]) -> dict[str, object]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": {
            "processors": os.cpu_count(),
            "kernel": platform.release(),
            "architecture": platform.machine(),
            "python": platform.python_version(),
            "load": os.getloadavg()[0],
        },
        "entries": [entry.to_json() for entry in entries],
    }


def _commit() -> str | None:
    """Return the commit that is measured; None outside a clone."""
    try:
        done = subprocess.run(
            ["git", "-C", str(RESULTS.parent.parent), "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None


if __name__ == "__main__":
    sys.exit(main())
