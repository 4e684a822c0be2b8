"""What was found just now, by network and host: from verdicts to rows for eyes and programs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from services.cli.outputs import cell, make_table
from services.cli.state_style import BAD, GOOD, UNTRIED, state_text, symbol
from services.contract.messages import DHCPFinding, Offer, Reach, Segment, Verdict
from services.contract.outcomes import DHCPOutcome, ReachOutcome
from services.contract.verdicts import AgedVerdict
from services.network.judge.reduction import Conclusion, reduce
from services.network.parse.intent import Intent
from services.network.parse.nad import NetworkRef
from services.network.policy import Policy


@dataclass(frozen=True)
class HostFinding:
    """What one host found for one network; verdict None: nothing was heard of it, and told says why."""

    host: str
    verdict: Verdict | None
    told: str = ""


@dataclass(frozen=True)
class NetworkFinding:
    """A network, its state by this probe alone, and what each host found."""

    ref: NetworkRef
    intent: Intent
    finding: Conclusion
    hosts: tuple[HostFinding, ...]

    def to_json(self) -> dict[str, object]:
        """The documented shape (docs/cli.md)."""
        segment = self.intent.segment
        return {
            "namespace": self.ref.namespace,
            "name": self.ref.name,
            "clusterNetwork": segment.cluster_network,
            "vlan": segment.vlan,
            "state": self.finding.state.value,
            "reason": self.finding.reason.value,
            "hosts": [_host_json(found, self.intent.digest) for found in self.hosts],
        }


def find_states(
    intents: Mapping[NetworkRef, Intent],
    asked: Mapping[Segment, Sequence[str]],
    verdicts: Sequence[Verdict],
    failures: Mapping[str, str],
    *,
    policy: Policy,
) -> list[NetworkFinding]:
    """Reduce this probe's verdicts as the updater would; asked: the hosts that were, for each segment.

    A failure of DHCP needs no confirmation from other hosts here: a person is told what was seen just now.
    """
    found = []
    for ref, intent in sorted(intents.items()):
        by_host = {v.host: v for v in verdicts if v.segment == intent.segment}
        latest = [AgedVerdict(verdict, 0.0) for verdict in by_host.values()]
        finding = reduce(
            intent,
            latest,
            [seen for seen in latest if seen.verdict.dhcp is not None],
            hosts=frozenset(asked.get(intent.segment, ())),
            fresh_s=math.inf,
            policy=policy,
            dhcp_confirmations=0,
        )
        hosts = tuple(
            HostFinding(host, by_host.get(host), failures.get(host, "no answer"))
            for host in asked.get(intent.segment, ())
        )
        found.append(NetworkFinding(ref, intent, finding, hosts))
    return found


def _host_json(found: HostFinding, digest: str) -> dict[str, object]:
    verdict = found.verdict
    if verdict is None:
        return {"host": found.host, "answered": False, "error": found.told}
    target = next((t for t in verdict.targets if t.digest == digest), None)
    return {
        "host": found.host,
        "answered": True,
        "fault": verdict.fault.value if verdict.fault else None,
        "dhcp": dhcp_json(verdict.dhcp),
        "gateway": str(target.gateway) if target and target.gateway else None,
        "vlan": reach_json(target.vlan if target else None),
        "routed": reach_json(target.routed if target else None),
    }


def dhcp_json(finding: DHCPFinding | None) -> dict[str, object]:
    """{"outcome", "servers": [{"server", "cidr", "gateway"}]}, as `scan` prints it too."""
    if finding is None:
        return {"outcome": DHCPOutcome.NOT_TRIED.value, "servers": []}
    return {"outcome": finding.outcome.value, "servers": [_offer_json(offer) for offer in finding.servers]}


def _offer_json(offer: Offer) -> dict[str, object]:
    return {
        "server": str(offer.server),
        "cidr": str(offer.cidr) if offer.cidr else None,
        "gateway": str(offer.gateway) if offer.gateway else None,
    }


def reach_json(reach: Reach | None) -> dict[str, object]:
    """{"outcome", "rtt_ms"}; rtt_ms is null where nothing answered."""
    if reach is None:
        return {"outcome": ReachOutcome.NOT_TRIED.value, "rtt_ms": None}
    return {"outcome": reach.outcome.value, "rtt_ms": reach.rtt_ms}


def report_table(findings: Sequence[NetworkFinding]) -> Table:
    """Network by host, for eyes."""
    table = make_table("network", "vlan", "state", "reason", "host", "DHCP", "gateway", "VLAN", "routed")
    for network in findings:
        first = [
            cell(network.ref, "bold"),
            cell(network.intent.segment.vlan),
            state_text(network.finding.state),
            cell(network.finding.reason),
        ]
        for found in network.hosts or (HostFinding("", None, ""),):
            table.add_row(*first, cell(found.host), *_host_cells(found, network.intent.digest))
            first = [cell("")] * 4
    return table


def _host_cells(found: HostFinding, digest: str) -> list[Text]:
    verdict = found.verdict
    if verdict is None:
        return [cell(found.told, "red"), cell(""), cell(""), cell("")]
    if verdict.fault is not None:
        return [cell(f"{symbol(BAD)} {verdict.fault}", "red"), cell(""), cell(""), cell("")]
    target = next((t for t in verdict.targets if t.digest == digest), None)
    return [
        dhcp_cell(verdict.dhcp),
        cell(target.gateway if target and target.gateway else ""),
        reach_cell(target.vlan if target else None),
        reach_cell(target.routed if target else None),
    ]


def dhcp_cell(finding: DHCPFinding | None) -> Text:
    """Who offered, for eyes."""
    if finding is None or finding.outcome is DHCPOutcome.NOT_TRIED:
        return cell(symbol(UNTRIED), "dim")
    if finding.outcome is DHCPOutcome.OFFERED:
        servers = ", ".join(f"{offer.server} ({offer.cidr or 'no subnet'})" for offer in finding.servers)
        return cell(f"{symbol(GOOD)} {servers}", "green" if len(finding.servers) == 1 else "yellow")
    style = "red" if finding.outcome is DHCPOutcome.NO_OFFER else "yellow"
    return cell(f"{symbol(BAD)} {finding.outcome.replace('_', ' ')}", style)


def reach_cell(reach: Reach | None) -> Text:
    """Whether the gateway answered, for eyes."""
    if reach is None or reach.outcome is ReachOutcome.NOT_TRIED:
        return cell(symbol(UNTRIED), "dim")
    if reach.outcome is ReachOutcome.REACHABLE:
        rtt = "" if reach.rtt_ms is None else f" {reach.rtt_ms:.1f} ms"
        return cell(f"{symbol(GOOD)}{rtt}", "green")
    style = "red" if reach.outcome is ReachOutcome.SILENT else "yellow"
    return cell(f"{symbol(BAD)} {reach.outcome}", style)
