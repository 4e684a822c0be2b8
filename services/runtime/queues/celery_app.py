"""The factory of the Celery app that every service and client uses.

docs/decisions/0002-celery-settings.md gives the reason for each setting.
"""

from typing import Any

from celery import Celery
from celery.backends.redis import RedisBackend
from kombu import Queue

from services.contract.names import REPORT_QUEUE, REPORT_TASK
from services.runtime.connection.redis_address import RedisAddress, celery_url
from services.runtime.connection.redis_client import (
    CONNECT_TIMEOUT_S,
    HEALTH_CHECK_INTERVAL_S,
    READ_TIMEOUT_S,
)
from services.runtime.connection.verified_tls import VerifiedConnection
from services.runtime.queues.broker import ADDRESS_OPTION, BrokerTransport, Messaging
from services.runtime.queues.task_events import SendTaskEvents, WorkerEvents

RESULT_TTL_S = 300
"""Results that are not fetched expire after this."""
RESTORE_EVERY_S = 5
"""Between two searches for messages of dead workers. Each is a lock and three commands: made every second,
they take a quarter of an idle worker's CPU."""
RESTORED_AT_ONCE = 1_000
"""Messages of dead workers that a search looks at."""
VISIBILITY_TIMEOUT_S = 120
"""A task whose worker died is redelivered after this; longer than any probe, shorter than a sweep."""


class _Results(RedisBackend):  # type: ignore[misc]
    """The result backend, whose TLS is verified."""

    def _params_from_url(self, url: str, defaults: Any) -> Any:
        params = super()._params_from_url(url, defaults)
        if "ssl_cert_reqs" in params:
            params["connection_class"] = VerifiedConnection
        return params


class _App(Celery):  # type: ignore[misc]
    """An app whose worker takes messages through a guarded transport, if it has one."""

    transport: type[BrokerTransport] | None = None

    def connection_for_read(self, url: str | None = None, **options: Any) -> Any:
        """Return the worker's connection."""
        connection = super().connection_for_read(url, **options)
        if self.transport is not None:
            connection.transport_type = self.transport
        return connection

    def _get_backend(self) -> _Results:
        # Without kombu's prefix of a socket's URL.
        return _Results(app=self, url=self.conf.result_backend.removeprefix("redis+"))


def make_app(redis: str | RedisAddress, *, name: str = "nadroute", unacked_scope: str = "clients") -> Celery:
    """Return an app with this Redis as broker and result backend.

    unacked_scope: the suffix of the broker's keys for unacknowledged messages. Workers that share it restore
    each other's tasks, so each prober has its own (its host) and updaters share one.
    """
    address = RedisAddress.of(redis)
    # Without the password, which Celery, kombu and Flower print with some URLs.
    url = celery_url(address.bare_url)
    app = _App(name, broker=url, backend=url, amqp=Messaging, events=WorkerEvents, set_as_current=False)
    app.steps["consumer"].add(SendTaskEvents)
    sockets = {
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": READ_TIMEOUT_S,
        "socket_keepalive": True,
        "health_check_interval": HEALTH_CHECK_INTERVAL_S,
    }
    if url.startswith("redis+socket"):
        # redis-py refuses the argument for unix sockets.
        del sockets["socket_keepalive"]
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        task_track_started=False,
        worker_send_task_events=True,
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_enable_remote_control=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            **sockets,
            ADDRESS_OPTION: address,
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            "unacked_restore_interval": RESTORE_EVERY_S,
            # At a time: whoever reaches Redis can add any number.
            "unacked_restore_limit": RESTORED_AT_ONCE,
            "unacked_restore_throttle": 1,
            "unacked_key": f"unacked:{unacked_scope}",
            "unacked_index_key": f"unacked_index:{unacked_scope}",
            "unacked_mutex_key": f"unacked_mutex:{unacked_scope}",
        },
        broker_use_ssl=address.tls_options() or None,
        redis_backend_use_ssl=address.tls_options() or None,
        redis_backend_credential_provider=address.credentials(),
        redis_socket_timeout=READ_TIMEOUT_S,
        redis_socket_connect_timeout=CONNECT_TIMEOUT_S,
        redis_backend_health_check_interval=HEALTH_CHECK_INTERVAL_S,
        result_expires=RESULT_TTL_S,
        # Queues are created on first use, so a client needs no list of hosts.
        task_create_missing_queues=True,
        task_default_queue=REPORT_QUEUE,
        task_routes={REPORT_TASK: {"queue": REPORT_QUEUE}},
        timezone="UTC",
    )
    return app


def consume_only(app: Celery, queue: str, *, transport: type[BrokerTransport] | None = None) -> None:
    """Restrict the app's worker to this queue.

    transport: see guarded_transport; None for a worker that trusts whoever reaches Redis.
    """
    app.conf.task_queues = [Queue(queue, routing_key=queue, no_declare=True)]
    app.transport = transport


def to_host(queue: str, *, within_s: float) -> dict[str, Any]:
    """Return the options of send_task for the queue of a host, which may be gone before it takes anything.

    Nothing stays of it then: the queue expires within_s after what is sent, and is not declared. Otherwise
    kombu would keep two keys in Redis for each queue, and Celery an object for each name.
    """
    return {"queue": Queue(queue, no_declare=True), "declare": (), "expiration": within_s}


def describe_probe(cluster_network: str, segments: int, host: str) -> str:
    """Return the description of a probe task that Flower shows."""
    return f"probe {cluster_network}: {segments} segment{'' if segments == 1 else 's'} on {host}"


def describe_report(verdicts: int, host: str) -> str:
    """Return the description of a report task that Flower shows."""
    return f"report: {verdicts} verdict{'' if verdicts == 1 else 's'} from {host}"
