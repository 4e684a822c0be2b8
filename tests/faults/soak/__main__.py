"""Mixed faults on the command line: `make test-soak MINUTES=60 SEED=1`, `make chaos SECONDS=600 SEED=1`.

Prints a line for each fault. The soak ends with the number of writes that were judged and how many said what
was not so; with --pairs, a table follows. Exit code 1 if something false was written, a process ended by
itself or, with --pairs, an invariant is broken.
"""

import argparse
import logging
import signal
import sys
import tempfile
import textwrap
from pathlib import Path

import structlog

from lab.prerequisites import missing_prerequisites
from tests.faults.soak import table
from tests.faults.soak.chaos import chaos
from tests.faults.soak.healing import CATALOGUE, read_catalogue
from tests.faults.soak.layout import SITE
from tests.faults.soak.soaking import soak


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak")
    parser.add_argument("--pairs", action="store_true", help="two faults at a time, and edits by users")
    parser.add_argument(
        "--rows", default="", help="with --pairs: only these rows of docs/faults.md, as K1,R4"
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seconds", type=float, help="in place of --minutes")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    seconds = arguments.minutes * 60.0 if arguments.seconds is None else arguments.seconds
    if missing := missing_prerequisites(SITE):
        _print("; ".join(missing))
        return 2
    # What the readers of Redis say of what the faults left there is no line of the run.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as name:
        folder = Path(name)
        if arguments.pairs:
            rows = arguments.rows.split(",") if arguments.rows else ()
            return _chaos(folder, seconds=seconds, seed=arguments.seed, rows=rows)
        return _soak(folder, seconds=seconds, seed=arguments.seed)


def _chaos(folder: Path, *, seconds: float, seed: int, rows: "list[str] | tuple[()]") -> int:
    _print(f"chaos for {seconds:g} s, seed {seed}")
    outcome = chaos(folder, folder / "lab", seconds=seconds, seed=seed, say=_print, rows=rows)
    catalogue = read_catalogue(CATALOGUE.read_text())
    _print("")
    for line in table.lines(outcome, catalogue):
        _print(line)
    return 0 if table.is_well(outcome, catalogue) else 1


def _soak(folder: Path, *, seconds: float, seed: int) -> int:
    outcome = soak(folder, folder / "lab", seconds=seconds, seed=seed, say=_print)
    _print(
        f"{outcome.judged} writes judged ({outcome.judged_for_unheard} of them for NotHeard too), "
        f"{len(outcome.found)} false; {outcome.faults} faults, "
        f"{len(outcome.ended)} processes that ended by themselves, "
        f"{outcome.quiet_times} quiet times; the machine ran something else for {outcome.lost_s:.0f} s"
    )
    for word in outcome.found:
        _print(word)
    return 1 if outcome.found or outcome.ended else 0


def _print(text: str) -> None:
    for line in text.splitlines() or [""]:
        wrapped = textwrap.wrap(line, table.WIDTH, subsequent_indent=" " * 8, drop_whitespace=False) or [""]
        sys.stdout.write("".join(f"{each.rstrip()}\n" for each in wrapped))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
