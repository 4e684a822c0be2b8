"""The rights in Kubernetes that each part uses, and whether somebody has them."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from services.cluster.errors import NotFound
from services.cluster.http.transport import Transport

NETWORKS = ("k8s.cni.cncf.io", "network-attachment-definitions")
LEASES = ("coordination.k8s.io", "leases")
_REVIEWS = "/apis/authorization.k8s.io/v1"


@dataclass(frozen=True)
class Right:
    """One verb on one resource. An empty namespace is all of them; an empty name is any."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{f' {self.name}' if self.name else ''}{where}"


def rights_of(part: str, *, namespace: str, lease: str) -> tuple[Right, ...]:
    """Return the rights that a part uses: `watcher`, `updater` or `cli`.

    namespace, lease: of the part's Lease.
    """
    reading = [Right(verb, *NETWORKS) for verb in ("list", "watch")]
    leading = [
        Right("create", *LEASES, namespace),
        *(Right(verb, *LEASES, namespace, lease) for verb in ("get", "update")),
    ]
    if part == "watcher":
        return (*reading, *leading)
    if part == "updater":
        writing = [Right(verb, *NETWORKS) for verb in ("get", "patch")]
        return (*reading, *writing, Right("create", "", "events"), *leading)
    return tuple(Right(verb, *NETWORKS) for verb in ("list", "watch", "get", "patch"))


def missing(
    transport: Transport, rights: Iterable[Right], *, user: str = "", timeout_s: tuple[float, float]
) -> tuple[Right, ...]:
    """Return those of the rights that a user does not have; raise ClusterError.

    user: as in `system:serviceaccount:NAMESPACE:NAME`; without one, the user of this client. To ask for
    another is a right of its own.
    """
    return tuple(right for right in rights if not _has(transport, right, user, timeout_s))


def account_user(
    transport: Transport, namespace: str, names: Iterable[str], *, timeout_s: tuple[float, float]
) -> str | None:
    """Return the user of the first of these ServiceAccounts that exists; None without any."""
    for name in names:
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/serviceaccounts/{quote(name, safe='')}"
        try:
            transport.request("GET", path, timeout_s=timeout_s)
        except NotFound:
            continue
        return f"system:serviceaccount:{namespace}:{name}"
    return None


def _has(transport: Transport, right: Right, user: str, timeout_s: tuple[float, float]) -> bool:
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
        "namespace": right.namespace,
        "name": right.name,
    }
    spec: dict[str, object] = {"resourceAttributes": {k: v for k, v in attributes.items() if v}}
    kind = "SubjectAccessReview" if user else "SelfSubjectAccessReview"
    if user:
        # A ServiceAccount is in these groups, which roles may be bound to.
        namespace = user.split(":")[2]
        spec |= {
            "user": user,
            "groups": [
                "system:serviceaccounts",
                f"system:serviceaccounts:{namespace}",
                "system:authenticated",
            ],
        }
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
    answer = transport.request("POST", f"{_REVIEWS}/{kind.lower()}s", body=body, timeout_s=timeout_s)
    status = answer.get("status")
    return isinstance(status, dict) and status.get("allowed") is True
