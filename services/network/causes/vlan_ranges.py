"""VLAN ids as people write them."""

from collections.abc import Iterable


def ranges(vlans: Iterable[int]) -> str:
    """Return the ids in order, neighbours joined: "7, 700, 710-719"."""
    runs: list[list[int]] = []
    for vlan in sorted(set(vlans)):
        if runs and vlan == runs[-1][-1] + 1:
            runs[-1].append(vlan)
        else:
            runs.append([vlan])
    return ", ".join(_text(run) for run in runs)


def _text(run: list[int]) -> str:
    if len(run) < 3:
        return ", ".join(map(str, run))
    return f"{run[0]}-{run[-1]}"
