"""What the commands that read and trigger can be told: where Redis and Kubernetes are."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Literal, cast

from services.cli.failures import told_plainly, unreachable
from services.cli.options.services_table import CLIENT
from services.cli.options.settings_options import load_settings
from services.cluster.settings import PolicySettings

if TYPE_CHECKING:
    import redis

    from services.cluster.client import Cluster


class ClientSettings(PolicySettings):
    """The commands that read and trigger."""

    log_level: Literal["debug", "info", "warning", "error"] = "error"
    """The least severe message that is written."""


BOTH = ("log_level", "log_format")
REDIS = ("redis_url", *BOTH)
"""Settings of a command that reads Redis."""
POLICY = ("default_mode", "denied_subnets", "namespaces", "cluster_networks")
"""What a command has to be told as the services are."""
KUBERNETES = ("kubeconfig", "api_connect_timeout_s", "api_read_timeout_s", *POLICY, *BOTH)
"""Settings of a command that reads networks."""


def load_client_settings(flags: dict[str, object]) -> ClientSettings:
    """Settings of a reading command; its logs go to standard error, errors only unless told otherwise."""
    from services.runtime import logs

    settings = cast("ClientSettings", load_settings(CLIENT, flags))
    logs.configure(level=settings.log_level, log_format=settings.log_format, service="cli")
    return settings


@contextmanager
def cluster_client(settings: ClientSettings) -> Iterator["Cluster"]:
    """A client of the API server; what goes wrong with it inside the block is one line and exit 3."""
    from services.cluster.client import Cluster
    from services.cluster.errors import ClusterError, Forbidden, Unauthorized

    with told_plainly():
        try:
            with closing(Cluster.from_settings(settings)) as cluster:
                yield cluster
        except (Unauthorized, Forbidden) as error:
            raise unreachable(
                f"Kubernetes: {error}; expected a kubeconfig whose user may list networks"
            ) from None
        except ClusterError as error:
            named = settings.kubeconfig or "the kubeconfig that kubectl would take"
            raise unreachable(
                f"Kubernetes: {error}; expected the API server of {named} to answer: check it with "
                "`kubectl get network-attachment-definitions -A`, or name another with --kubeconfig"
            ) from None


@contextmanager
def redis_client(settings: ClientSettings) -> Iterator["redis.Redis"]:
    """A client of Redis; what goes wrong with it inside the block is one line and exit 3."""
    from services.runtime.redis_client import connect

    url = settings.redis_url.get_secret_value()
    with told_plainly(redis_url=url), closing(connect(url)) as client:
        yield client
