"""VLAN sets as people write them: 7,10-20."""

from collections.abc import Iterable

import click

LOWEST, HIGHEST = 1, 4094


def read_vlans(text: str) -> list[int]:
    """In order, each once; raises ValueError that says what was expected."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        ends = (first, last if dash else first)
        # isascii: int() would take the digits of other scripts too.
        if not all(end.isascii() and end.isdigit() and len(end) <= 4 for end in ends):
            raise ValueError(f"{part.strip()!r}: expected a VLAN or a range, such as 7,10-20")
        low, high = int(ends[0]), int(ends[1])
        if not LOWEST <= low <= high <= HIGHEST:
            raise ValueError(f"{part.strip()!r}: expected {LOWEST} to {HIGHEST}, the lower one first")
        found.update(range(low, high + 1))
    return sorted(found)


def write_vlans(vlans: Iterable[int]) -> str:
    """The shortest text that read_vlans reads as these."""
    runs: list[list[int]] = []
    for vlan in sorted(set(vlans)):
        if runs and runs[-1][1] == vlan - 1:
            runs[-1][1] = vlan
        else:
            runs.append([vlan, vlan])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


class VlanSet(click.ParamType[list[int]]):
    """A click type: VLANs in order."""

    name = "vlans"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        try:
            return read_vlans(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
