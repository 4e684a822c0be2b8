"""The C programs beside this file, compiled when they are needed."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.processes import RunFailed

_SOURCES = Path(__file__).resolve().parent
_FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra", "-Wconversion", "-Werror")


class CompilerMissing(Exception):
    """There is no C compiler; the text is one line for people."""


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the executables are."""

    responder: Path
    baseline: Path


def compile_programs(directory: Path) -> Programs:
    """Compile them into directory.

    Raises:
        CompilerMissing: there is no gcc, or no C library to compile against.
        RunFailed: they are wrong.
    """
    compiler = shutil.which("gcc")
    if compiler is None:
        raise CompilerMissing("gcc is not installed (Debian packages gcc and libc6-dev)")
    return Programs(
        responder=_compile(compiler, "responder", directory),
        baseline=_compile(compiler, "baseline", directory),
    )


def _compile(compiler: str, name: str, directory: Path) -> Path:
    executable = directory / name
    done = subprocess.run(
        [compiler, *_FLAGS, "-o", str(executable), str(_SOURCES / f"{name}.c")],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        complaint = next((line for line in done.stderr.splitlines() if "error" in line), "no reason given")
        if "No such file" in complaint:
            raise CompilerMissing(f"the headers of the C library are missing (libc6-dev): {complaint}")
        raise RunFailed(f"{name}.c does not compile: {complaint}")
    return executable
