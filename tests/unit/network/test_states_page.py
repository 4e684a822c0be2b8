"""docs/states.md and the enums say the same."""

import re
from pathlib import Path

from services.contract.outcomes import FINDINGS, Fault, Reason, State

PAGE = Path(__file__).parents[3] / "docs" / "states.md"


def _rows(heading: str) -> dict[str, list[str]]:
    """The table rows under a heading of any level, by the code in their first cell."""
    section = re.split(r"^#+ ", PAGE.read_text(), flags=re.MULTILINE)
    (text,) = (part for part in section if part.startswith(f"{heading}\n"))
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    return {row[0].strip("`"): row[1:] for row in cells if re.fullmatch(r"`[A-Za-z]+`", row[0])}


def test_every_state_is_on_the_page_and_no_other() -> None:
    """In the order of the enum."""
    assert list(_rows("States")) == [state.value for state in State]


def test_every_reason_is_on_the_page_once_and_no_other() -> None:
    """With what it means, what to look at and what to do."""
    headings = [
        "The gateway was checked",
        "DHCP names no usable gateway",
        "Nobody can tell",
        "Left alone",
        "Refused",
        "Findings",
    ]
    tables = [_rows(heading) for heading in headings]
    told = [code for table in tables for code in table]
    assert told == [reason.value for reason in Reason]
    assert all(len(cells) == 3 and all(cells) for table in tables for cells in table.values())
    assert set(tables[-1]) == {reason.value for reason in FINDINGS}


def test_what_a_host_may_have_against_it_is_on_the_page() -> None:
    """Its faults, but for the one that is never told."""
    text = PAGE.read_text()
    assert all(f"`{fault.value}`" in text for fault in Fault if fault is not Fault.STOPPED)
