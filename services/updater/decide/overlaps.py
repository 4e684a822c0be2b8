"""The subnets of all networks, as they are told, and what is found of those that overlap."""

import threading
from dataclasses import replace
from ipaddress import IPv4Network

from services.contract.messages import Segment
from services.contract.outcomes import BESIDE_VERDICTS, Reason, State
from services.network.judge.evidence import Case
from services.network.judge.overlaps import find_overlaps
from services.network.judge.reduction import Conclusion
from services.network.judge.subnets import Subnets
from services.network.parse.intent import Intent, NotProbed
from services.updater.decide.assessment import Hosts

_OURS = BESIDE_VERDICTS - {Reason.OTHER_WRITER}


class Overlaps:
    """Finds overlapping subnets, and names the other side, which is to be looked at as well. Thread-safe."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._subnets = Subnets()
        self._lock = threading.Lock()
        self._touched: set[Segment] = set()
        self._put_for: dict[str, str] = {}
        """By uid, the digest of the intent of which the subnet was taken."""

    def take_touched(self) -> set[Segment]:
        """Return the segments on which another overlap is found since the last call."""
        with self._lock:
            taken, self._touched = self._touched, set()
        return taken

    def put(self, uid: str, intent: Intent | NotProbed, told: Conclusion | None = None) -> None:
        """Take a network's subnet: the one that is told, or else the known one or its owner's.

        One that is marked as isolated has none: routing does not count there.
        """
        if isinstance(intent, NotProbed) or intent.isolated:
            self.forget(uid)
            return
        now = intent.digest
        if told is None and self._put_for.get(uid) == now:
            # What was told of it stands.
            return
        self._put_for[uid] = now
        cidr = intent.cidr or (told.cidr if told is not None else None) or intent.known_cidr
        if told is not None and told.state is State.DHCP_FAILED:
            cidr = None
        self._put(uid, intent.segment, cidr)

    def forget(self, uid: str) -> None:
        """Forget a network that is gone."""
        self._put_for.pop(uid, None)
        self._put(uid, None, None)

    def added_to(self, told: Conclusion, case: Case) -> Conclusion:
        """Return what is told, with these findings; until all networks are known, with those that stand."""
        intent, before = case.intent, case.before
        reported = {} if before is None or before.digest != intent.digest else before.findings
        cidr = intent.cidr or told.cidr or intent.known_cidr
        if not case.carriers.is_settled:
            found = {code: text for code, text in reported.items() if code in _OURS}
        elif cidr is None or intent.isolated or told.state is State.DHCP_FAILED:
            found = {}
        else:
            on_vlan = self._hosts.on_vlans().get(intent.segment, frozenset())
            with self._lock:
                found = find_overlaps(
                    intent.segment, cidr, self._subnets, case.policy, on_vlan=on_vlan, reported=reported
                )
        return replace(told, findings={**told.findings, **found}) if found else told

    def _put(self, uid: str, segment: Segment | None, cidr: IPv4Network | None) -> None:
        networks = self._hosts.own_networks()
        with self._lock:
            self._touched |= self._subnets.put(uid, segment, cidr, networks)
