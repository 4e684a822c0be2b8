"""Starts the system of scripted_site."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import redis
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from lab.harvester import Fabric
from lab.kube import ApiServer
from services.contract.names import SENDING_KEY
from services.runtime.queues.celery_app import make_app
from tests.faults.proxy import Proxy
from tests.faults.scripted_host import Host
from tests.faults.scripted_site import ScriptedSite
from tests.faults.soak.parts import redis_part, service
from tests.support.service_process import free_port
from tests.support.updater_site import NAMESPACE, wait_until

HOSTS = ("node1", "node2")
REDIS_TIMEOUT_S = 5.0
COMMON: Mapping[str, str] = {
    "NADROUTE_SWEEP_INTERVAL_S": "10",
    "NADROUTE_LEASE_NAMESPACE": NAMESPACE,
    "NADROUTE_API_CONNECT_TIMEOUT_S": "2",
    "NADROUTE_API_READ_TIMEOUT_S": "2",
    "NADROUTE_API_WRITE_TIMEOUT_S": "5",
    "NADROUTE_WATCH_SILENCE_S": "2",
}
SERVICES: Mapping[str, Mapping[str, str]] = {
    "watcher": {
        "NADROUTE_RETRY_INTERVAL_S": "2",
        "NADROUTE_ASK_WINDOW_S": "2",
        "NADROUTE_REQUEST_MAX_AGE_S": "5",
        "NADROUTE_HOST_POLL_INTERVAL_S": "0.2",
    },
    "updater": {},
}
"""Each service's own settings."""


@contextlib.contextmanager
def scripted_site(**environment: str) -> Iterator[ScriptedSite]:
    """Start everything; return when the watcher sends. environment adds variables for all processes."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp")))
        server = stack.enter_context(ApiServer(state=folder / "state", bookmark_seconds=1.0))
        site = _make(folder, server, environment)
        for proxy in (*site.api.values(), *site.queues.values()):
            stack.enter_context(proxy)
        stack.callback(site.client.close)
        stack.callback(site.app.close)
        for part in site.parts():
            stack.callback(part.end)
        site.redis.start()
        wait_until(lambda: _answers(site.client))
        for host in site.hosts:
            stack.enter_context(host)
        for name, proxy in site.api.items():
            _write_kubeconfig(server, folder / f"{name}.kubeconfig", proxy)
        site.updater.start()
        site.watcher.start()
        wait_until(lambda: bool(site.client.exists(SENDING_KEY)), site.last_words)
        site.settle()
        yield site


def _make(folder: Path, server: ApiServer, environment: Mapping[str, str]) -> ScriptedSite:
    socket = folder / "redis.sock"
    client = Redis(
        unix_socket_path=str(socket),
        decode_responses=True,
        socket_timeout=REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    app, fabric = make_app(f"unix://{socket}"), Fabric()
    ports = {name: free_port() for name in SERVICES}
    services = {
        name: service(
            name,
            folder,
            {
                **COMMON,
                **more,
                "NADROUTE_REDIS_URL": f"unix://{folder / name}.sock",
                "NADROUTE_KUBECONFIG": str(folder / f"{name}.kubeconfig"),
                "NADROUTE_METRICS_PORT": str(ports[name]),
                # A process that is started again leads at once.
                "NADROUTE_LEASE_IDENTITY": name,
                **environment,
            },
        )
        for name, more in SERVICES.items()
    }
    redis_server = redis_part(folder)
    redis_server.environment = {**redis_server.environment, **environment}
    return ScriptedSite(
        folder=folder,
        server=server,
        api={name: Proxy(("127.0.0.1", server.port)) for name in SERVICES},
        queues={name: Proxy(socket, listen=folder / f"{name}.sock") for name in SERVICES},
        redis=redis_server,
        client=client,
        app=app,
        fabric=fabric,
        watcher=services["watcher"],
        updater=services["updater"],
        hosts=[Host(client, app, fabric, host) for host in HOSTS],
        ports=ports,
    )


def _write_kubeconfig(server: ApiServer, path: Path, proxy: Proxy) -> None:
    server.kubeconfig(path, token_file=True)
    path.write_text(path.read_text().replace(server.url, f"https://127.0.0.1:{proxy.port}"))


def _answers(client: Redis) -> bool:
    with contextlib.suppress(redis.RedisError):
        return bool(client.ping())
    return False
