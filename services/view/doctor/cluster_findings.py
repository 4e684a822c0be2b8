"""What follows from the facts about Kubernetes: rights, networks, and who watches nadroute."""

from collections.abc import Iterator, Sequence

from services.cluster.rights import NETWORKS, Right
from services.network.policy import Policy
from services.view.doctor.facts import Facts
from services.view.doctor.findings import Finding, Unknown, cannot_tell, failed, ok, warning
from services.view.rows import rows_of
from services.view.unwritten import named

PARTS = ("watcher", "updater", "cli")
NO_KUBERNETES = "Kubernetes could not be read"
CHANGING = frozenset({Right("get", *NETWORKS), Right("patch", *NETWORKS)})
"""Rights of the few commands that change a network: the chart's own pod has none of them."""
_TITLES = {"watcher": "rights: watcher", "updater": "rights: updater", "cli": "rights: commands"}


def cluster_findings(facts: Facts, policy: Policy) -> Iterator[Finding]:
    """Yield the findings about Kubernetes, in the order in which they are shown."""
    cluster = facts.cluster
    if cluster.trouble is not None:
        if cluster.is_configured:
            yield failed("Kubernetes", cluster.trouble, cluster.todo)
        else:
            yield cannot_tell("Kubernetes", cluster.trouble, "name a kubeconfig with --kubeconfig")
        for check in (*_TITLES.values(), "networks", "scrape", "alert rules"):
            yield cannot_tell(check, NO_KUBERNETES)
        return
    if isinstance(cluster.version, Unknown):
        yield failed("Kubernetes", cluster.version.why, "see that this user may read /version")
    else:
        yield ok("Kubernetes", f"the API server answers, version {cluster.version}")
    for part in PARTS:
        yield _rights(facts, part)
    yield _networks(facts, policy)
    yield _monitored("scrape", cluster.scrapes, "no PodMonitor or ServiceMonitor names nadroute")
    yield _monitored("alert rules", cluster.rules, "no PrometheusRule has an alert of nadroute")


def _rights(facts: Facts, part: str) -> Finding:
    check, missing = _TITLES[part], facts.cluster.missing.get(part, Unknown("not asked"))
    user, unseen = facts.cluster.users.get(part, ""), facts.cluster.unseen.get(part)
    who = user or "the user of this kubeconfig"
    if isinstance(missing, Unknown):
        return cannot_tell(check, missing.why)
    if not missing:
        return ok(check, f"{who} has all that it uses{f'; {unseen}' if unseen else ''}")
    if part == "cli" and CHANGING.issuperset(missing):
        return ok(check, f"{who} may look; `pause NAMESPACE/NAME` and `uninstall` need {_named(missing)}")
    text = f"{who} may not: {_named(missing)}{f'; {unseen}' if unseen else ''}"
    if user:
        return failed(check, text, "apply the roles and bindings of the chart (or k8s/) again")
    return warning(check, text, "ask somebody who may, or run it with a kubeconfig that has these rights")


def _named(missing: Sequence[Right]) -> str:
    more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
    return f"{'; '.join(map(str, missing[:4]))}{more}"


def _networks(facts: Facts, policy: Policy) -> Finding:
    networks = facts.cluster.networks
    if isinstance(networks, Unknown):
        if networks.why.startswith("HTTP 404"):
            return failed("networks", networks.why, "see that Multus and its resource are installed")
        if networks.why.startswith("HTTP "):
            return failed(
                "networks", networks.why, "see the log of the API server, and whether etcd answers it"
            )
        return cannot_tell("networks", networks.why)
    rows = rows_of(networks, policy, facts.view)
    troubled = [row.ref for row in rows if row.needs_attention]
    if troubled:
        return warning(
            "networks",
            f"{len(troubled)} of {len(rows)} need attention: {named(troubled)}",
            "`nadroute status --problems`, and `nadroute explain` for each",
        )
    return ok("networks", f"none of {len(rows)} needs attention")


def _monitored(check: str, found: object, absent: str) -> Finding:
    if isinstance(found, Unknown):
        return cannot_tell(check, found.why)
    names = list(found) if isinstance(found, tuple) else []
    if names:
        return ok(check, named(names))
    return warning(check, absent, "see docs/metrics.md, unless Prometheus is configured in another way")
