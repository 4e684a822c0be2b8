"""Sets of VLAN ids as people write them: 7,10-20."""

from collections.abc import Iterable


def runs_of(vlans: Iterable[int]) -> list[tuple[int, int]]:
    """Return the first and the last id of each run of neighbours, ascending."""
    runs: list[tuple[int, int]] = []
    for vlan in sorted(set(vlans)):
        if runs and runs[-1][1] == vlan - 1:
            runs[-1] = (runs[-1][0], vlan)
        else:
            runs.append((vlan, vlan))
    return runs


def write_runs(runs: Iterable[tuple[int, int]]) -> str:
    """Return the text of these runs."""
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def write_vlans(vlans: Iterable[int]) -> str:
    """Return the shortest text of these ids, which the option --vlans reads as the same."""
    return write_runs(runs_of(vlans))
