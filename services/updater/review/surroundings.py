"""What many judgements depend on: hosts, observed time, and that Redis has its data."""

from collections.abc import Collection
from typing import NamedTuple

from services.contract.verdicts import ObservedTime
from services.updater.decide.assessment import Hosts
from services.updater.review.touching import Touch


class _Seen(NamedTuple):
    """What the judgement of any network depends on."""

    resumed_ms: int
    runs: bool
    losses: int
    policy: object


class Surroundings:
    """Notices what touches many networks at once."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._seen: _Seen | None = None
        self._carriers: dict[str, object] = {}

    def look(self, cluster_networks: Collection[str], time: ObservedTime, *, losses: int) -> Touch:
        """Return what has changed since the last look. losses: how often Redis lost its data."""
        hosts = self._hosts
        networks = hosts.own_networks(), hosts.claimed_networks(), hosts.on_vlans()
        policy = hosts.addresses(), hosts.claimed(), *networks
        before, self._seen = self._seen, _Seen(time.resumed_ms, time.runs, losses, policy)
        carriers: dict[str, object] = {name: self._hosts.carrying(name) for name in cluster_networks}
        known, self._carriers = self._carriers, carriers
        changed = {name for name, found in carriers.items() if known.get(name, found) != found}
        return Touch(cluster_networks=changed, everything=before != self._seen)
