"""Search for inputs that make a target fail, guided by coverage; keep what is found.

    python -m tests.fuzz [--seconds 120] [TARGET ...]

The time is for all targets together. Exit code 1 means that a target failed: the input is in
regressions/TARGET.txt, and `make test` fails until the cause is fixed.
"""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.keeping import CORPUS, REGRESSIONS, read_inputs, write_inputs
from tests.fuzz.targets import TARGETS

MAX_BYTES = 4096
SLOW_S = 5
"""The limit for one input: three orders of magnitude above the usual."""
MEMORY_MB = 1024


def main() -> int:
    """Fuzz each target for its share of the time."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description="Fuzz what reads strangers' bytes."
    )
    parser.add_argument("--seconds", type=int, default=120, help="for all targets together (default 120)")
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)} (default: all)"
    )
    arguments = parser.parse_args()
    targets = arguments.targets or list(TARGETS)
    unknown = sorted(set(targets) - set(TARGETS))
    if unknown or arguments.seconds < len(targets):
        wrong = (
            f"no target {unknown[0]!r}" if unknown else f"{arguments.seconds} s: a second each is the least"
        )
        _say(f"fuzz: {wrong}; targets: {', '.join(TARGETS)}")
        return 2
    if importlib.util.find_spec("atheris") is None:
        _say("fuzz: atheris is not installed: pip install 'nadroute[fuzz]' (Linux on x86-64)")
        return 2
    share = arguments.seconds // len(targets)
    return max([fuzz(target, seconds=share) for target in targets])


def fuzz(target: str, *, seconds: int) -> int:
    """Fuzz one target; return 1 after a report if an input failed."""
    with tempfile.TemporaryDirectory(prefix="nadroute-fuzz-") as name:
        folder = Path(name)
        corpus, crashes = folder / "corpus", folder / "crashes"
        known = read_inputs(CORPUS, target)
        for place in (corpus, crashes):
            place.mkdir()
        for number, data in enumerate(known + read_inputs(REGRESSIONS, target)):
            (corpus / f"kept-{number}").write_bytes(data)
        code, output = _run(
            target,
            *(f"-max_total_time={seconds}", f"-max_len={MAX_BYTES}", f"-timeout={SLOW_S}"),
            *(f"-rss_limit_mb={MEMORY_MB}", f"-artifact_prefix={crashes}/", "-print_final_stats=1"),
            *("-reduce_inputs=1", "-use_value_profile=1", str(corpus)),
        )
        broken = [path.read_bytes() for path in crashes.iterdir()]
        if broken:
            write_inputs(REGRESSIONS, target, [*read_inputs(REGRESSIONS, target), *broken])
        # While one input fails, others that fail would be taken for inputs that reach no new code.
        kept = known if broken or code else _smallest(target, corpus, folder / "merged")
        write_inputs(CORPUS, target, kept)
    if code:
        _say(output)
    _say(f"{target}: {_runs(output)} runs in {seconds} s, {len(kept)} inputs kept, {len(broken)} broke it")
    return 1 if broken or code else 0


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _smallest(target: str, corpus: Path, merged: Path) -> list[bytes]:
    """Return the smallest set of inputs that together reach as much code."""
    merged.mkdir()
    _run(target, "-set_cover_merge=1", str(merged), str(corpus))
    return [path.read_bytes() for path in merged.iterdir()]


def _run(target: str, *flags: str) -> tuple[int, str]:
    """Run the fuzzer; return its exit code and its output."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.one_target", target, *flags],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return done.returncode, done.stdout


def _runs(output: str) -> str:
    for line in output.splitlines():
        if line.startswith("stat::number_of_executed_units:"):
            return line.split()[-1]
    return "an unknown number of"


if __name__ == "__main__":
    sys.exit(main())
