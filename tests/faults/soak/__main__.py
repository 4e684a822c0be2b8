"""The soak on the command line: `make test-soak MINUTES=60 SEED=1`.

Prints a line for each fault; at the end the number of writes that were judged and how many said what was not
so, each of these with its time, what was true and which faults there were. Exit code 1 if there is one, or a
process ended by itself.
"""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from lab.prerequisites import missing_prerequisites
from tests.faults.soak.layout import SITE
from tests.faults.soak.soaking import soak


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if missing := missing_prerequisites(SITE):
        _print("; ".join(missing))
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as folder:
        outcome = soak(
            Path(folder),
            Path(folder) / "lab",
            seconds=arguments.minutes * 60.0,
            seed=arguments.seed,
            say=_print,
        )
    _print(
        f"{outcome.judged} writes judged ({outcome.judged_for_unheard} of them for NotHeard too), "
        f"{len(outcome.found)} false; {outcome.faults} faults, "
        f"{len(outcome.ended)} processes that ended by themselves, "
        f"{outcome.quiet_times} quiet times; the machine ran something else for {outcome.lost_s:.0f} s"
    )
    for word in outcome.found:
        _print(word)
    return 1 if outcome.found or outcome.ended else 0


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
