"""Disputes: another writer takes back what nadroute wrote. When is it written again, and what is told?

What is new is written at once. What was written before is written again at most MAX_CORRECTIONS times an
hour, whatever the other writer did to it: other values, emptied fields, a removed annotation.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.contract.conclusions import NO_RESULT, Result
from services.contract.outcomes import Reason
from services.network.parse import nad
from services.network.parse.nad import Network
from services.network.parse.status import Status
from services.network.parse.tolerance import shown
from services.network.write.known_writers import find_advice

MAX_CORRECTIONS = 4
"""Per hour and network, so that two writers do not fight."""
QUIET_LOSSES = 2
"""Times in an hour that something may be missing before that is a dispute: a save in Harvester's UI empties
fields, and the Job that it starts writes the route without connectivity."""


@dataclass(frozen=True)
class Written:
    """What is remembered of nadroute's writes to a network."""

    content: str = ""
    """The fingerprint of what was written last; empty if that is unknown."""
    corrections: int = 0
    """How often it was written again within the last hour."""
    room_in_s: float = 0.0
    """Where the limit is reached: seconds until the first of them is an hour ago."""
    is_told: bool = False
    """Whether an Event has told within the last hour that the limit is reached."""
    digest: str = ""
    result: Result = NO_RESULT
    """What this process last saw in the route annotation of what was told, and the digest of its intent."""

    def matters_to(self, content: str) -> bool:
        """Whether a decision to write this content is another one with it than with NOTHING_WRITTEN."""
        return bool(self.corrections) or self.content == content


NOTHING_WRITTEN = Written()


def fingerprint(status: Status, result: Result) -> str:
    """Return sixteen hex digits that change exactly when there is something new to write.

    What the status knows from itself is nothing new: since when, and the finding about another writer.
    """
    text = json.dumps([_content(status).dump(), result.cidr, result.gateway, result.connectivity])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Loss:
    """What another writer took back of a content that was written before."""

    text: str
    """Who did what."""
    manager: str
    """The field manager that did it; empty if that is unknown."""
    contradicts: bool
    """Whether it says something else. Otherwise something is only missing or outdated."""


def find_loss(
    network: Network, differing: Mapping[str, str], before: Status | None, after: Status
) -> Loss | None:
    """Return what was taken back; None if all of it still stands.

    differing: the present values of the fields of the route annotation that are not as they were written.
    """
    others = [f"set {name} to {shown(value)}" for name, value in differing.items() if value]
    contradicts = any(value for name, value in differing.items() if name != "outdated")
    emptied = [name for name, value in differing.items() if not value]
    if differing and not network.has_route:
        missing = ["removed the route annotation"]
    else:
        missing = [f"removed {', '.join(emptied)}"] if emptied else []
    if before is None:
        missing.append(f"removed {nad.STATUS}")
    elif _content(before) != _content(after) or not before.is_timed:
        others.append(f"changed {nad.STATUS}")
        contradicts = True
    if not others and not missing:
        return None
    known = network.route_writer if differing and network.has_route else ""
    who = f"the field manager {shown(known)}" if known else "another writer"
    return Loss(f"{who} {', '.join([*others, *missing])}", known, contradicts)


def with_finding(after: Status, before: Status | None, loss: Loss | None, written: Written) -> Status:
    """Add the finding about another writer, for as long as one was corrected within the last hour.

    The text stays as it was first: a new one for each write of theirs would be one more write of ours.
    """
    text = before.findings.get(Reason.OTHER_WRITER, "") if before is not None and written.corrections else ""
    if not text and loss is not None and (loss.contradicts or written.corrections >= QUIET_LOSSES):
        advice = find_advice(loss.manager)
        text = f"{loss.text}; nadroute writes its result again at most {MAX_CORRECTIONS} times an hour"
        text += f". {advice}" if advice else ""
    return replace(after, findings={**after.findings, Reason.OTHER_WRITER.value: text}) if text else after


def _content(status: Status) -> Status:
    others = {code: text for code, text in status.findings.items() if code != Reason.OTHER_WRITER}
    return replace(status, since="", findings=others)
