"""Starts everything that the soak needs."""

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from lab.kube import ApiServer, HarvesterAdmission
from lab.kube.resources import NADS
from lab.running import RunningSite, start_site
from services.runtime.queues.celery_app import make_app
from tests.faults.soak.layout import (
    HOSTS,
    ISOLATED,
    MARKED,
    NETWORKS,
    SITE,
    UPLINKS,
    WITH_ROGUE,
    WITHOUT_DHCP,
    server_link,
)
from tests.faults.soak.message_faults import good_messages
from tests.faults.soak.parts import FAULTS_USER, SOCKET, Part, redis_part, service
from tests.faults.soak.world import ASK_WINDOW_S, SWEEP_S, Prober, World
from tests.support.updater_site import NAMESPACE, wait_until

RETRY_S = 10.0
LOOK_S = 0.25
"""Between two looks at what the probers announce."""
REDIS_TIMEOUT_S = 0.5
"""Without repetition: while Redis is frozen, the end of a prober must not be noted late."""


@contextlib.contextmanager
def running_world(folder: Path, state: Path) -> Iterator[World]:
    """Start everything, and wait until every network is told as it is."""
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(start_site(SITE, state))
        admission = HarvesterAdmission(cluster_networks=frozenset(UPLINKS))
        # With a folder it has a file of its token, which may change.
        server = stack.enter_context(ApiServer(admission=admission, state=folder / "kube"))
        world = _make(folder, lab, server)
        world.admission = admission
        stack.callback(world.client.close)
        app = stack.enter_context(contextlib.closing(make_app(f"unix://{folder / SOCKET}")))
        for part in world.parts():
            stack.callback(part.end)
        _set_up_truth(world)
        for vlan in WITH_ROGUE:
            world.set_station(server_link(vlan, rogue=True), alive=False)
        for owned in NETWORKS:
            server.store.create(NADS, NAMESPACE, owned.body())
        world.redis.start()
        wait_until(lambda: _answers(world.client))
        world.app, world.good = app, good_messages(app, world.client)
        world.updater.start()
        world.watcher.start()
        for prober in world.probers.values():
            prober.part.start()
        over = threading.Event()
        looking = threading.Thread(target=_look, args=(world, over), name="looking")
        world.counting.begin()
        stack.callback(world.counting.end)
        looking.start()
        stack.callback(looking.join)
        stack.callback(over.set)
        yield world


def _look(world: World, over: threading.Event) -> None:
    while not over.wait(LOOK_S):
        world.look_at_probers()


def _answers(client: redis.Redis) -> bool:
    with contextlib.suppress(redis.RedisError):
        return bool(client.ping())
    return False


def _make(folder: Path, lab: RunningSite, server: ApiServer) -> World:
    url = f"unix://{folder / SOCKET}"
    common = {
        "NADROUTE_REDIS_URL": url,
        "NADROUTE_KUBECONFIG": str(server.kubeconfig(folder / "kubeconfig", token_file=True)),
        "NADROUTE_SWEEP_INTERVAL_S": str(SWEEP_S),
    }
    intervals = {
        "NADROUTE_RETRY_INTERVAL_S": str(RETRY_S),
        "NADROUTE_ASK_WINDOW_S": str(ASK_WINDOW_S),
        "NADROUTE_REQUEST_MAX_AGE_S": str(SWEEP_S),
        "NADROUTE_LEASE_NAMESPACE": NAMESPACE,
    }
    uplinks = json.dumps(UPLINKS)

    def prober(host: str, word: str = "") -> Part:
        variables = {"NADROUTE_REDIS_URL": url, "NADROUTE_UPLINKS": uplinks}
        return service("prober", folder, variables, "--host", host, prefix=lab.command(host), word=word)

    return World(
        lab,
        server,
        redis.Redis(
            unix_socket_path=str(folder / SOCKET),
            username=FAULTS_USER,
            password=FAULTS_USER,
            decode_responses=True,
            socket_timeout=REDIS_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=REDIS_TIMEOUT_S,
        ),
        redis_part(folder),
        service("watcher", folder, {**common, **intervals}),
        service("updater", folder, {**common, "NADROUTE_LEADER_ELECTION": "false"}),
        {host: Prober(prober(host)) for host in HOSTS},
        spare_watcher=service("watcher", folder, {**common, **intervals}, word="spare"),
        spare_probers={host: prober(host, "spare") for host in HOSTS},
    )


def _set_up_truth(world: World) -> None:
    world.set("dhcp", WITHOUT_DHCP, [""], False)
    world.set("routed", [ISOLATED, MARKED], HOSTS, False)
