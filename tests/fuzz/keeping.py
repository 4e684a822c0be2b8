"""Files of inputs: one line of hexadecimal each, so that people can read them and review changes."""

from collections.abc import Iterable
from pathlib import Path

_HERE = Path(__file__).parent
CORPUS = _HERE / "corpus"
REGRESSIONS = _HERE / "regressions"


def read_inputs(folder: Path, target: str) -> list[bytes]:
    """Return the kept inputs of a target; none if there is no file."""
    path = folder / f"{target}.txt"
    return [bytes.fromhex(line) for line in path.read_text().splitlines()] if path.exists() else []


def write_inputs(folder: Path, target: str, inputs: Iterable[bytes]) -> None:
    """Replace the kept inputs by these, each once, the shortest first."""
    lines = [data.hex() for data in sorted(set(inputs), key=lambda data: (len(data), data))]
    (folder / f"{target}.txt").write_text("".join(f"{line}\n" for line in lines))
