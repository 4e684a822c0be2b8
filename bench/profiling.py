"""Profiling the engine: `python -m bench.profiling`, with py-spy (pip install py-spy) on PATH.

Samples the exchange with the C responder, all VLANs, pacing off. Start-up is excluded.
"""

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.compiling import CompilerMissing, Programs
from bench.engine import Scan
from bench.exchanges import VLANS
from bench.processes import RunFailed, run
from bench.trunk import Trunk
from lab.bigsite.fabric import cable

_RATE = 500
_SHOWN = 40
_ENGINE, _CALLER = "Runner._run (", ";scan ("
"""Every stack of the exchange contains one of these: the engine's thread, or the caller of scan."""

Stacks = Counter[tuple[str, ...]]
"""Stack, outermost function first, to its number of samples."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the most expensive functions, by own time and with their callees."""
    parser = argparse.ArgumentParser(prog="python -m bench.profiling", description=__doc__)
    parser.add_argument(
        "--scans", type=int, default=5, help="number of scans to sample (default: %(default)s)"
    )
    parser.add_argument("--depth", default="offer", help="depth of the probe (default: %(default)s)")
    options = parser.parse_args(arguments)
    profiler = shutil.which("py-spy")
    if profiler is None:
        sys.exit("py-spy is not on PATH: pip install py-spy")
    stacks: Stacks = Counter()
    try:
        with tempfile.TemporaryDirectory(prefix="nadroute-bench-") as name, cable() as site:
            directory = Path(name)
            with Trunk(Programs(directory), site).responder():
                for at in range(options.scans):
                    raw = directory / f"stacks{at}"
                    command = [profiler, "record", "--rate", str(_RATE), "--format", "raw", "-F"]
                    command += ["--nonblocking", "--output", str(raw), "--"]
                    run(site.host, [*command, *Scan(vlans=VLANS, depth=options.depth).command()])
                    stacks += read_stacks(raw.read_text().splitlines())
    except (CompilerMissing, RunFailed) as error:
        sys.exit(str(error))
    print(report(stacks))
    return 0


def read_stacks(lines: Iterable[str]) -> Stacks:
    """Parse py-spy's raw output, `outer;inner count` per line; stacks of start-up are dropped."""
    stacks: Stacks = Counter()
    for line in lines:
        text, _, count = line.rpartition(" ")
        if count.isdecimal() and (_ENGINE in text or _CALLER in text):
            stacks[tuple(text.split(";"))] += int(count)
    return stacks


def report(stacks: Stacks) -> str:
    """Render the share of samples per function: its own, and with its callees."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for stack, count in stacks.items():
        own[stack[-1]] += count
        for function in set(stack):
            total[function] += count
    everything = sum(stacks.values())
    lines = [f"{everything} samples", "  self  total  function"]
    for function, count in total.most_common(_SHOWN):
        lines.append(f"{own[function] / everything:6.1%} {count / everything:6.1%}  {function}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
