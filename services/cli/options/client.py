"""Settings of the commands that read and trigger, and their clients of Kubernetes and Redis."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Literal, TypeVar, cast

from services.cli.failures import plain_errors, unreachable
from services.cli.options.services_table import CLIENT
from services.cli.options.settings_options import load_settings, settings_options
from services.cluster.settings import PolicySettings
from services.runtime.connection.settings import Seconds

if TYPE_CHECKING:
    import redis

    from services.cluster.client import Cluster

Function = TypeVar("Function", bound=Callable[..., object])


class ClientSettings(PolicySettings):
    """The commands that read and trigger."""

    log_level: Literal["debug", "info", "warning", "error"] = "error"
    """The least severe level that is logged."""
    watch_silence_s: Seconds = 10.0
    """Seconds of silence after which a watch counts as broken, and `status --watch` says that it is old. The
    server is asked to end each watch sooner, so a longer silence is a fault."""


_LOGGING = ("log_level", "log_format")
_KUBERNETES = ("kubeconfig", "api_connect_timeout_s", "api_read_timeout_s", "default_mode", "denied_subnets")
"""Without the scope (namespaces, cluster_networks): a command that filters has -n for that."""


def client_options(
    *, kubernetes: bool = False, redis: bool = True, also: tuple[str, ...] = ()
) -> Callable[[Function], Function]:
    """A decorator: options of a command by what it talks to; connections in one group, tuning in another."""
    fields = {
        **dict.fromkeys(("kubeconfig",) if kubernetes else (), "Connection"),
        **dict.fromkeys(("redis_url",) if redis else (), "Connection"),
        **dict.fromkeys(also, "Tuning"),
        **dict.fromkeys(_KUBERNETES[1:] if kubernetes else (), "Tuning"),
        **dict.fromkeys(_LOGGING, "Tuning"),
    }
    return settings_options(CLIENT, groups=fields)


def load_client_settings(flags: dict[str, object]) -> ClientSettings:
    """The settings; logs go to standard error, by default errors only."""
    from services.runtime.process import logs

    settings = cast("ClientSettings", load_settings(CLIENT, flags))
    logs.configure(level=settings.log_level, log_format=settings.log_format, service="cli")
    return settings


@contextmanager
def cluster_client(settings: ClientSettings) -> Iterator["Cluster"]:
    """A client of the API server; its errors inside the block become one line and exit 3."""
    from services.cluster.client import Cluster
    from services.cluster.errors import ClusterError, Forbidden, Unauthorized

    with plain_errors():
        try:
            with closing(Cluster(settings)) as cluster:
                yield cluster
        except (Unauthorized, Forbidden) as error:
            raise unreachable(
                f"Kubernetes: {error}; expected a kubeconfig whose user may list networks"
            ) from None
        except ClusterError as error:
            kubeconfig = settings.kubeconfig or "the kubeconfig that kubectl uses"
            raise unreachable(
                f"Kubernetes: {error}; expected the API server of {kubeconfig} to answer; name another with "
                "--kubeconfig"
            ) from None


@contextmanager
def redis_client(settings: ClientSettings) -> Iterator["redis.Redis"]:
    """A client of Redis; its errors inside the block become one line and exit 3."""
    from services.runtime.connection.redis_client import connect

    address = settings.redis_address
    with plain_errors(redis=address), closing(connect(address)) as client:
        yield client
