"""Where the engine's time goes: `python -m bench.profiling`, with py-spy (pip install py-spy) on PATH.

Samples the exchange with the C responder, all VLANs, pacing off. Start-up is left out.
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
"""One of them is in each stack of the exchange itself: the engine's thread, and the one that called scan."""

Stacks = Counter[tuple[str, ...]]
"""Functions from the outermost to the innermost, and how often they were seen so."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the functions that took most, by themselves and with all that they called."""
    parser = argparse.ArgumentParser(prog="python -m bench.profiling", description=__doc__)
    parser.add_argument("--scans", type=int, default=5, help="added up (default: %(default)s)")
    parser.add_argument("--depth", default="offer", help="of the probe (default: %(default)s)")
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
    """What py-spy wrote, `outer;inner count` a line; stacks of start-up are left out."""
    stacks: Stacks = Counter()
    for line in lines:
        text, _, count = line.rpartition(" ")
        if count.isdecimal() and (_ENGINE in text or _CALLER in text):
            stacks[tuple(text.split(";"))] += int(count)
    return stacks


def report(stacks: Stacks) -> str:
    """Percent of the samples: in a function itself, and in it and all that it called."""
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
