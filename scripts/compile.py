"""Compile the prober's hot modules with mypyc: python scripts/compile.py FOLDER

FOLDER contains the package `services`: a copy of the sources, or the site-packages of an image. An extension
module, which Python prefers, is put beside each source; the sources remain for tracebacks. Needs mypy[mypyc],
the prober's requirements, a C compiler and Python's headers. Without extension modules, the sources are
interpreted.
"""

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("services/prober/frames", "services/prober/engine")
"""Packages whose code runs for every frame, timer or segment."""
EXCLUDED = frozenset(
    {
        "ignore_reasons.py",
        "lldp.py",
        "template_bytes.py",
        "templates.py",
        "settings.py",
        "probes.py",
        "results.py",
    }
)
"""Modules of these packages with data and message types, which compiling does not make faster, and the reader
of what comes every 30 s."""
OTHERS = (
    "services/contract/gateways.py",
    "services/prober/loop/ports.py",
    "services/prober/sockets/ring.py",
)
"""Hot modules of other packages."""
MODULES = (
    *(
        str(path.relative_to(ROOT))
        for folder in FOLDERS
        for path in sorted((ROOT / folder).glob("[!_]*.py"))
        if path.name not in EXCLUDED
    ),
    *OTHERS,
)


def compile_into(folder: Path) -> list[Path]:
    """Compile a copy of the sources, and put the extension modules beside them; return their paths."""
    from mypyc.build import mypycify
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext

    with tempfile.TemporaryDirectory(prefix="nadroute-compile-") as name:
        scratch = Path(name)
        shutil.copytree(
            folder / "services", scratch / "services", ignore=shutil.ignore_patterns("__pycache__", "*.so")
        )
        with contextlib.chdir(scratch):
            extensions = mypycify(["--config-file", str(ROOT / "pyproject.toml"), *MODULES])
            command = build_ext(Distribution({"name": "nadroute", "packages": [], "ext_modules": extensions}))
            command.inplace = True
            command.ensure_finalized()
            command.run()
        made = [path.relative_to(scratch) for path in scratch.rglob("*.so") if "build" not in path.parts[:-1]]
        for path in made:
            shutil.copy2(scratch / path, folder / path)
    return [folder / path for path in made]


def main() -> int:
    """Return 0 if every module was compiled."""
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "services").is_dir():
        print(__doc__, file=sys.stderr)
        return 2
    made = compile_into(Path(sys.argv[1]))
    print(f"{len(made)} extension modules")
    return 0 if len(made) > len(MODULES) else 1


if __name__ == "__main__":
    sys.exit(main())
