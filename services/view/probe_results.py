"""The result of an on-demand probe: each network's state by its verdicts alone, and each host's answer."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.contract.messages import Segment, TargetVerdict, Verdict
from services.contract.verdicts import AgedVerdict
from services.network.judge.reduction import Conclusion, reduce
from services.network.parse.intent import Intent
from services.network.parse.nad import NetworkRef
from services.network.policy import Policy


@dataclass(frozen=True)
class HostAnswer:
    """What one host found for one network; if there is no verdict, error gives the reason."""

    host: str
    verdict: Verdict | None
    target: TargetVerdict | None = None
    """The verdict on this network's gateway."""
    error: str = ""


@dataclass(frozen=True)
class ProbedNetwork:
    """A network, its state by this probe alone, and the answer of each host that was asked."""

    ref: NetworkRef
    intent: Intent
    conclusion: Conclusion
    answers: tuple[HostAnswer, ...]


def conclude_probe(
    intents: Mapping[NetworkRef, Intent],
    asked: Mapping[Segment, Sequence[str]],
    verdicts: Sequence[Verdict],
    failures: Mapping[str, str],
    *,
    policy: Policy,
) -> list[ProbedNetwork]:
    """Reduce these verdicts as the updater would. asked: the hosts of each segment; failures: by host.

    A failure of DHCP is not confirmed by other hosts: the user wants to see the result of this probe.
    """
    probed = []
    for ref, intent in sorted(intents.items()):
        hosts = asked.get(intent.segment, ())
        by_host = {verdict.host: verdict for verdict in verdicts if verdict.segment == intent.segment}
        latest = [AgedVerdict(verdict, 0.0) for verdict in by_host.values()]
        conclusion = reduce(
            intent,
            latest,
            [aged for aged in latest if aged.verdict.dhcp is not None],
            hosts=frozenset(hosts),
            fresh_s=math.inf,
            policy=policy,
            dhcp_confirmations=0,
        )
        answers = tuple(_answer(host, by_host.get(host), failures, intent.digest) for host in hosts)
        probed.append(ProbedNetwork(ref, intent, conclusion, answers))
    return probed


def _answer(host: str, verdict: Verdict | None, failures: Mapping[str, str], digest: str) -> HostAnswer:
    if verdict is None:
        return HostAnswer(host, None, error=failures.get(host, "no answer"))
    return HostAnswer(host, verdict, next((t for t in verdict.targets if t.digest == digest), None))
