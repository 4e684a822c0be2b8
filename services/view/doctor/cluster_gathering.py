"""Reading the facts from Kubernetes: whatever fails becomes the reason why something is not known.

Nothing is changed. No request waits for longer than its timeout, and after one that met no API server no more
are sent.
"""

from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

from services.cluster import rights
from services.cluster.client import Cluster
from services.cluster.errors import ClusterError, Forbidden, Unauthorized, Unavailable
from services.cluster.rights import Right
from services.cluster.settings import ClusterSettings
from services.cluster.surroundings import Surroundings
from services.contract.errors import ConfigurationError
from services.view.doctor.cluster_findings import PARTS
from services.view.doctor.facts import ClusterFacts, Known
from services.view.doctor.findings import Unknown

T = TypeVar("T")
TIMEOUT_S = (3.0, 6.0)
"""For connecting, and between two parts of an answer."""


REACH_IT = "see that the API server is reached from here, or name another with --kubeconfig"
TRUST_IT = "give the kubeconfig the CA of this API server (certificate-authority-data), or name another file"
SIGN_IN = "renew the token or certificate in the kubeconfig, or name another with --kubeconfig"
MEND_IT = "mend this file, or name another with --kubeconfig"


class _Away(Exception):
    """The API server cannot be reached; its second argument is what to do."""


def examine_cluster(settings: ClusterSettings, *, namespace: str, release: str) -> ClusterFacts:
    """Return what could be read; never raises an error of the cluster.

    namespace, release: of nadroute itself, where its ServiceAccounts and Leases are.
    """
    bounded = settings.model_copy(
        update={
            "api_connect_timeout_s": min(TIMEOUT_S[0], settings.api_connect_timeout_s),
            "api_read_timeout_s": min(TIMEOUT_S[1], settings.api_read_timeout_s),
        }
    )
    try:
        cluster = Cluster(bounded)
    except ConfigurationError as error:
        is_configured = settings.kubeconfig is not None or "not given" not in str(error)
        return ClusterFacts(trouble=str(error), todo=MEND_IT, is_configured=is_configured)
    with closing(cluster):
        try:
            return _read(cluster, namespace, release)
        except _Away as error:
            return ClusterFacts(trouble=str(error.args[0]), todo=str(error.args[1]))


def _read(cluster: Cluster, namespace: str, release: str) -> ClusterFacts:
    around = Surroundings(cluster.transport, TIMEOUT_S)
    version = _known(around.version)
    users: dict[str, str] = {}
    unseen: dict[str, str] = {}
    missing: dict[str, Known[tuple[Right, ...]]] = {}
    for part in PARTS:
        wanted = rights.rights_of(part, namespace=namespace, lease=f"{release}-{part}")
        user = "" if part == "cli" else _user_of(cluster, part, namespace, release)
        if isinstance(user, Unknown):
            unseen[part], user = user.why, ""
        users[part] = user
        missing[part] = _missing(cluster, wanted, user)
    return ClusterFacts(
        version=version,
        missing=missing,
        users=users,
        unseen=unseen,
        nodes=_known(around.nodes),
        networks=_known(lambda: tuple(cluster.list_networks()[0])),
        scrapes=_monitoring(around.scrapes),
        rules=_monitoring(around.rules),
    )


def _user_of(cluster: Cluster, part: str, namespace: str, release: str) -> Known[str]:
    """Return the user of the part's ServiceAccount, or why there is none to ask about."""
    names = (f"{release}-{part}", part)
    found = _known(lambda: rights.account_user(cluster.transport, namespace, names, timeout_s=TIMEOUT_S))
    if isinstance(found, Unknown):
        return Unknown(f"its ServiceAccount cannot be seen: {found.why}")
    if found is None:
        return Unknown(f"there is no ServiceAccount {names[0]} in {namespace}: see --namespace and --release")
    return found


def _missing(cluster: Cluster, wanted: tuple[Right, ...], user: str) -> Known[tuple[Right, ...]]:
    return _known(lambda: rights.missing(cluster.transport, wanted, user=user, timeout_s=TIMEOUT_S))


def _monitoring(read: Callable[[], tuple[str, ...]]) -> Known[tuple[str, ...]]:
    found = _known(read)
    if isinstance(found, Unknown) and found.why.startswith("HTTP 404"):
        return Unknown("the cluster has no Prometheus Operator (monitoring.coreos.com/v1)")
    return found


def _known(read: Callable[[], T]) -> Known[T]:
    """Return what was read, or why not; raise _Away where no API server answers."""
    try:
        return read()
    except Unauthorized as error:
        raise _Away(f"{error}; the credentials are not accepted", SIGN_IN) from None
    except Forbidden as error:
        return Unknown(f"this user may not: {error}")
    except Unavailable as error:
        if str(error).startswith("HTTP "):
            return Unknown(str(error))
        raise _Away(str(error), TRUST_IT if "CERTIFICATE" in str(error) else REACH_IT) from None
    except ClusterError as error:
        return Unknown(str(error))
