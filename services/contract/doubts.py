"""Doubts: what the updater asks the watcher to have checked before it reports that a network became worse."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from services.contract.messages import Segment
from services.contract.wire import HostName, Message, Ordinal

MAX_HEARD = 2_000
"""Twice as many hosts as are read from Redis, since hosts that restart are heard too."""


class DoubtKind(StrEnum):
    """What one host found, and others may contradict."""

    SILENT = "silent"
    """A gateway does not answer it."""
    ANSWERED = "answered"
    """A gateway answers it that was silent before."""
    NO_OFFER = "no_offer"
    """It received no DHCPOFFER."""
    OFFER = "offer"
    """It received one that says something else than is reported."""

    @property
    def asks_dhcp(self) -> bool:
        """Whether only hosts that ask DHCP can contradict."""
        return self in (DoubtKind.NO_OFFER, DoubtKind.OFFER)


class Doubt(Message):
    """A request to have further hosts check a segment at once.

    It hastens what the sweep does later, so one that is lost costs time and nothing else. The result comes
    back as every result does, by a report.
    """

    segment: Segment
    kind: DoubtKind
    heard: Annotated[tuple[HostName, ...], Field(max_length=MAX_HEARD)] = ()
    """Hosts that have reported since the doubt arose. They are not asked again."""
    ask: Ordinal
    """How many further hosts are to check; every host that carries the segment, where there are fewer."""
