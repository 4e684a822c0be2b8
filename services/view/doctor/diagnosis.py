"""All findings, in the order in which they are shown: what is needed first comes first."""

from services.network.policy import Policy
from services.view.doctor.cluster_findings import cluster_findings
from services.view.doctor.facts import Facts
from services.view.doctor.findings import Finding
from services.view.doctor.host_findings import host_findings
from services.view.doctor.redis_findings import redis_findings


def diagnose(facts: Facts, policy: Policy) -> list[Finding]:
    """Return what follows from the facts; pure."""
    return [*redis_findings(facts.redis), *host_findings(facts, policy), *cluster_findings(facts, policy)]
