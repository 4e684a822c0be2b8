"""Failures of Harvester's webhook, which affect every write to networks over HTTP."""

from __future__ import annotations

from dataclasses import dataclass

from lab.kube.faults import Fault, Faults
from lab.kube.requests import Match
from lab.kube.resources import NADS

FROZEN_SECONDS = 20.0
"""The API server answers after this time if the webhook does not."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Scripts failures of the webhook in an API server, for one network or (name "") for all.

    Each lasts until its `cancel()`, or for `count` writes. `factor` scales the 20 seconds of a frozen
    webhook. What a healthy webhook refuses or rewrites is in lab.kube.HarvesterAdmission.
    """

    faults: Faults
    factor: float = 1.0

    @property
    def frozen_s(self) -> float:
        """Return the seconds after which a write to a frozen webhook is answered."""
        return FROZEN_SECONDS * self.factor

    def deny(self, why: str, *, name: str = "", count: int | None = None) -> Fault:
        """Deny writes: 500, permanent."""
        return self.faults.deny(why, match=_writes(name), count=count)

    def down(self, *, name: str = "", count: int | None = None) -> Fault:
        """Make the webhook unreachable: 500 at once, transient."""
        return self.faults.webhook_down(match=_writes(name), count=count)

    def freeze(self, *, name: str = "", count: int | None = None) -> Fault:
        """Make the webhook hang: 500 after twenty seconds, transient."""
        return self.faults.webhook_down(match=_writes(name), count=count, delay=self.frozen_s)


def _writes(name: str) -> Match:
    return Match(verb="write", resource=NADS.plural, name=name or None)
