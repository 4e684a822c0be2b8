"""Finding the cluster's credentials: a pod's service account or a kubeconfig.

`kubernetes` takes half a second and 50 MB, so it is imported only when a client is made.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from services.contract.errors import ConfigurationError
from services.version import __version__

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
DEFAULT_KUBECONFIG = Path("~/.kube/config")
USER_AGENT = f"nadroute/{__version__}"


def find_kubeconfig(
    kubeconfig: Path | None,
    *,
    environment: Mapping[str, str] | None = None,
    service_account_token: Path = SERVICE_ACCOUNT_TOKEN,
) -> str | None:
    """Return the kubeconfig to read, or None for the pod's service account; raise ConfigurationError.

    Order: the given one, the service account, $KUBECONFIG (which may list several), ~/.kube/config.
    """
    environment = os.environ if environment is None else environment
    if kubeconfig is not None:
        if not kubeconfig.expanduser().is_file():
            raise ConfigurationError(f"kubeconfig={str(kubeconfig)!r}: no such file")
        return str(kubeconfig.expanduser())
    if environment.get("KUBERNETES_SERVICE_HOST") and service_account_token.is_file():
        return None
    listed = environment.get("KUBECONFIG", "")
    if listed:
        found = [path for path in listed.split(os.pathsep) if path and Path(path).expanduser().is_file()]
        if not found:
            raise ConfigurationError(f"KUBECONFIG={listed!r}: no such file")
        return os.pathsep.join(found)
    default = DEFAULT_KUBECONFIG.expanduser()
    if not default.is_file():
        raise ConfigurationError(
            "kubeconfig: not given; no service account is mounted, KUBECONFIG is not set and "
            f"{DEFAULT_KUBECONFIG} does not exist"
        )
    return str(default)


def load_client(source: str | None) -> "ApiClient":
    """Make a client from a kubeconfig (None: in-cluster), reading it now; raise ConfigurationError."""
    import yaml
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import ConfigException, load_incluster_config, load_kube_config

    configuration = Configuration()
    # The caller decides what to retry and when: a retry here would lack jitter and be unsafe for a write.
    configuration.retries = 0
    # Connections kept between requests; the updater's default is 32 writers.
    configuration.connection_pool_maxsize = 40
    try:
        if source is None:
            load_incluster_config(client_configuration=configuration)
        else:
            load_kube_config(config_file=source, client_configuration=configuration, persist_config=False)
    except (
        ConfigException,
        OSError,
        yaml.YAMLError,
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
    ) as error:
        where = source if source is not None else "the pod's service account"
        raise ConfigurationError(f"kubeconfig={where!r}: cannot be used: {_describe(error)}") from None
    client = ApiClient(configuration=configuration)
    client.user_agent = USER_AGENT
    return client


def _describe(error: Exception) -> str:
    """Why a kubeconfig cannot be used, on one line."""
    import yaml

    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"not YAML: line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    if isinstance(error, (TypeError, AttributeError, KeyError)):
        # The loader does not check the file's structure: a kubeconfig that is a list ends in AttributeError.
        return "not a kubeconfig: expected clusters, users and a current-context"
    return " ".join(str(error).split())
