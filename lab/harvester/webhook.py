"""Harvester's webhook when it is in trouble: whatever is written to networks meets it, over HTTP."""

from __future__ import annotations

from dataclasses import dataclass

from lab.kube.faults import Fault, Faults
from lab.kube.requests import Match
from lab.kube.resources import NADS

FROZEN_SECONDS = 20.0
"""After so long the API server answers for a webhook that does not."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Scripts the faults of an API server as failures of the webhook, for one network or (name "") for all.

    Each lasts until its `cancel()`, or for `count` writes. `factor` scales what takes 20 seconds.
    What the webhook refuses by itself, and what it rewrites, is lab.kube.HarvesterAdmission.
    """

    faults: Faults
    factor: float = 1.0

    @property
    def frozen_s(self) -> float:
        """Seconds after which a write that met a frozen webhook is answered."""
        return FROZEN_SECONDS * self.factor

    def deny(self, why: str, *, name: str = "", count: int | None = None) -> Fault:
        """It says no: 500, permanent."""
        return self.faults.deny(why, match=_writes(name), count=count)

    def down(self, *, name: str = "", count: int | None = None) -> Fault:
        """It cannot be called: 500 at once, transient."""
        return self.faults.webhook_down(match=_writes(name), count=count)

    def freeze(self, *, name: str = "", count: int | None = None) -> Fault:
        """It is called and says nothing: 500 after twenty seconds, transient."""
        return self.faults.webhook_down(match=_writes(name), count=count, delay=self.frozen_s)


def _writes(name: str) -> Match:
    return Match(verb="write", resource=NADS.plural, name=name or None)
