"""The Kubernetes Event that goes with a change of a network."""

from dataclasses import dataclass
from typing import Literal

EventType = Literal["Normal", "Warning"]


@dataclass(frozen=True)
class Event:
    """A Kubernetes Event (core/v1), without the object that it is about."""

    type: EventType
    reason: str
    """CamelCase."""
    message: str
    component: str = "nadroute-updater"
    """Who reports it."""
