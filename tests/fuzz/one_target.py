"""One target under the coverage-guided fuzzer, in a process of its own.

    python -m tests.fuzz.one_target TARGET [libFuzzer's flags and folders]

The fuzzer ends the process itself.
"""

import shlex
import sys

import atheris

# Only our parsers are instrumented, not the libraries below them, so that they guide the search.
with atheris.instrument_imports(include=["services.prober", "services.contract"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until libFuzzer's flags end the run."""
    name, *flags = sys.argv[1:]
    # To merge, libFuzzer starts its program again, through a shell.
    again = shlex.join([sys.executable, "-m", "tests.fuzz.one_target", name])
    atheris.Setup([again, *flags], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
