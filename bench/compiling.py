"""Compiling the C programs in this folder, and the engine, when they are needed."""

import compileall
import shutil
import subprocess
import sys
import sysconfig
from functools import cached_property
from pathlib import Path

from bench.processes import RunFailed

_SOURCES = Path(__file__).resolve().parent
_ROOT = _SOURCES.parent
_FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra", "-Wconversion", "-Werror")


class CompilerMissing(Exception):
    """There is no C compiler, or no headers; the text is one line for people."""


class Programs:
    """Paths of the executables. The constructor compiles them; it raises CompilerMissing or RunFailed."""

    def __init__(self, directory: Path, *, engine: Path | None = None) -> None:
        """Compile into directory; engine is the folder of an engine that is compiled already."""
        compiler = _compiler()
        self._directory = directory
        self._engine = engine
        self.responder = _compile(compiler, "responder", directory)
        self.baseline = _compile(compiler, "baseline", directory)

    @cached_property
    def engine(self) -> Path:
        """Return the folder of the compiled engine, as in the image; compile it on first use."""
        return self._engine or compile_engine(self._directory / "engine")


def compile_engine(folder: Path) -> Path:
    """Copy the package services into folder and compile its hot modules there (scripts/compile.py).

    Raises:
        CompilerMissing: gcc or Python's headers are missing.
        RunFailed: the engine does not compile.
    """
    _compiler()
    if not has_python_headers():
        raise CompilerMissing("Python's headers are missing (Debian package python3-dev)")
    shutil.copytree(_ROOT / "services", folder / "services", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, str(_ROOT / "scripts" / "compile.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise RunFailed(f"the engine does not compile: {lines[-1] if lines else 'no reason given'}")
    # As pip does. Where Python may not write bytecode, each start would compile all modules anew.
    compileall.compile_dir(folder / "services", quiet=1)
    return folder


def has_python_headers() -> bool:
    """Return whether extension modules for this interpreter can be compiled."""
    return Path(sysconfig.get_path("include"), "Python.h").exists()


def _compiler() -> str:
    compiler = shutil.which("gcc")
    if compiler is None:
        raise CompilerMissing("gcc is not installed (Debian packages gcc and libc6-dev)")
    return compiler


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
