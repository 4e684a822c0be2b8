"""Types of arguments: durations, VLANs and addresses."""

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import TypeVar

import click

from services.view.durations import read_duration

Value = TypeVar("Value")
LOWEST_VLAN, HIGHEST_VLAN = 1, 4094


def read_vlans(text: str) -> list[int]:
    """The VLANs of a set such as 7,10-20, in order; raises ValueError that says what was expected."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        ends = (first, last if dash else first)
        # isascii: int() would take the digits of other scripts too.
        if not all(end.isascii() and end.isdigit() and len(end) <= 4 for end in ends):
            raise ValueError(f"{part.strip()!r}: expected a VLAN or a range, such as 7,10-20")
        low, high = int(ends[0]), int(ends[1])
        if not LOWEST_VLAN <= low <= high <= HIGHEST_VLAN:
            expected = f"{LOWEST_VLAN} to {HIGHEST_VLAN}, the lower one first"
            raise ValueError(f"{part.strip()!r}: expected {expected}")
        found.update(range(low, high + 1))
    return sorted(found)


def _positive_duration(text: str) -> float:
    seconds = read_duration(text)
    if seconds <= 0:
        raise ValueError(f"{text!r}: expected more than 0")
    return seconds


def _address(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        raise ValueError(f"{text!r}: expected an IPv4 address") from None


def _source_address(text: str) -> tuple[int, IPv4Address]:
    vlan, _, address = text.partition("=")
    try:
        (number,) = read_vlans(vlan)
        return number, IPv4Address(address)
    except ValueError:
        raise ValueError(f"{text!r}: expected a VLAN and an IPv4 address, such as 7=10.0.112.5") from None


class ParsedType(click.ParamType[Value]):
    """A click type from a function that raises ValueError."""

    def __init__(self, name: str, parse: Callable[[str], Value]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Value:
        try:
            return self._parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


DURATION = ParsedType("duration", _positive_duration)
"""Seconds, more than 0, from 12s, 500ms, 2m or 1h."""
VLANS = ParsedType("vlans", read_vlans)
ADDRESS = ParsedType("address", _address)
SOURCE_ADDRESS = ParsedType("vlan=address", _source_address)
"""(VLAN, address) from VLAN=ADDRESS."""
