"""The Celery factory: every service and client talks to the queues through an app made here.

Each setting answers something that was measured: see docs/decisions/0002-celery-settings.md.
"""

from typing import Any

from celery import Celery
from celery.app.events import Events
from celery.events import EventDispatcher
from kombu import Exchange, Queue

from services.contract.names import REPORT_QUEUE, REPORT_TASK
from services.runtime.redis_client import (
    CONNECT_TIMEOUT_S,
    HEALTH_CHECK_INTERVAL_S,
    READ_TIMEOUT_S,
    celery_url,
)

RESULT_TTL_S = 300
"""A result that nobody fetched is gone after this."""
VISIBILITY_TIMEOUT_S = 120
"""A task whose worker died comes back after this; longer than any probe, shorter than a sweep."""


class _NeverWaiting(EventDispatcher):  # type: ignore[misc]
    """Sends an event at once or keeps it until the connection is back.

    A worker sends its heartbeats from the loop that takes tasks and hears signals, and tells Celery to try
    again for as long as it takes: with Redis away, nothing else would happen there any more.
    """

    def send(self, type: str, **fields: Any) -> Any:  # noqa: A002 - Celery's name
        """As Celery's, whatever is said of trying again."""
        return super().send(type, **{**fields, "retry": False})


class _NeverWaitingEvents(Events):  # type: ignore[misc]
    dispatcher_cls = _NeverWaiting


def make_app(redis_url: str, *, name: str = "nadroute", unacked_scope: str = "clients") -> Celery:
    """An app on this Redis.

    unacked_scope separates the bookkeeping of unacknowledged messages: workers that share it restore
    each other's tasks, so each prober has its own (its host) and updaters share one.
    """
    url = celery_url(redis_url)
    app = Celery(name, broker=url, backend=url, events=_NeverWaitingEvents, set_as_current=False)
    sockets = {
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": READ_TIMEOUT_S,
        "socket_keepalive": True,
        "health_check_interval": HEALTH_CHECK_INTERVAL_S,
    }
    if url.startswith("redis+socket"):
        # A unix socket has no keepalive, and redis-py refuses the argument there.
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
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            "unacked_key": f"unacked:{unacked_scope}",
            "unacked_index_key": f"unacked_index:{unacked_scope}",
            "unacked_mutex_key": f"unacked_mutex:{unacked_scope}",
        },
        redis_socket_timeout=READ_TIMEOUT_S,
        redis_socket_connect_timeout=CONNECT_TIMEOUT_S,
        redis_backend_health_check_interval=HEALTH_CHECK_INTERVAL_S,
        result_expires=RESULT_TTL_S,
        # A queue comes to be when it is first named, so a client needs no list of hosts.
        task_create_missing_queues=True,
        task_default_queue=REPORT_QUEUE,
        task_routes={REPORT_TASK: {"queue": REPORT_QUEUE}},
        timezone="UTC",
    )
    return app


def consume_only(app: Celery, *queues: str) -> None:
    """Restrict this app's worker to these queues, each bound to an exchange of its own and no other's."""
    app.conf.task_queues = [Queue(queue, Exchange(queue), routing_key=queue) for queue in queues]


def describe_probe(cluster_network: str, segments: int, host: str) -> str:
    """A task's name for people, as Flower shows it."""
    return f"probe {cluster_network}: {segments} segment{'' if segments == 1 else 's'} on {host}"


def describe_report(verdicts: int, host: str) -> str:
    """A report's name for people."""
    return f"report: {verdicts} verdict{'' if verdicts == 1 else 's'} from {host}"
