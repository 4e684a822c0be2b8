"""kombu's Redis transport with a guard on what it reads: messages, unacknowledged ones, and broadcasts.

kombu and Celery trust them. What they cannot read ends the worker, from the queue once and from the
unacknowledged messages at each start.
"""

from collections.abc import Callable
from functools import cached_property
from queue import Empty
from typing import Any

import redis
import structlog
from kombu.transport import redis as kombu_redis

from services.contract.envelopes import Envelope
from services.runtime.process.outside_log import tell
from services.runtime.queues.broker import BrokerChannel, BrokerTransport
from services.runtime.queues.broker_keys import BrokerKeys
from services.runtime.queues.message_guard import MessageGuard

_CELERY_EXCHANGES = ("celeryev", "celery.pidbox", "reply.celery.pidbox")
"""Of events, of remote control, and of its answers."""
_NO_TAG = "nadroute"
"""Of no message: kombu's tags are UUIDs."""

log = structlog.get_logger(__name__)


def guarded_transport(guard: MessageGuard, consumed: Callable[[], None]) -> type[BrokerTransport]:
    """Return the transport class with this guard. consumed: called at each answer of the queue."""
    channel = type("GuardedChannel", (_Channel,), {"guard": guard, "consumed": staticmethod(consumed)})
    return type("GuardedTransport", (_Transport,), {"Channel": channel})


class _Transport(BrokerTransport):
    connection_errors = (*BrokerTransport.connection_errors, redis.RedisError)
    """Whatever Redis refuses ends a connection, not the worker; see runtime.patient_consumer."""


class _Message(kombu_redis.Channel.Message):  # type: ignore[misc]
    """A message whose body the guard has parsed: Celery would do that twice, and its JSON makes objects."""

    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:
        super().__init__(payload, channel=channel, **options)
        if isinstance(payload, Envelope):
            self.body = self._decoded_cache = payload.arguments
            # So Celery takes the body as it is.
            self.content_type = None

    def ack_log_error(self, logger: Any, errors: Any, multiple: bool = False) -> None:  # noqa: ARG002 - kombu's signature
        """Acknowledge; on a connection that was lost, log that it failed: the message may come again.

        kombu logs a critical error with a traceback, for each task that an outage of Redis overtakes.
        """
        try:
            self.ack(multiple=multiple)
        except errors as error:
            tell(log, "message not acknowledged", error=str(error))


class _QoS(kombu_redis.QoS):  # type: ignore[misc]
    refusal: redis.RedisError | None = None

    def append(self, message: Any, delivery_tag: Any) -> None:
        """Record a message as unacknowledged; where Redis refuses, only here: it has left the queue."""
        try:
            super().append(message, delivery_tag)
        except redis.RedisError as error:
            self.refusal = error
            # kombu's own parent: without Redis.
            super(kombu_redis.QoS, self).append(message, delivery_tag)

    def try_to_take(self) -> None:
        """Record a message as unacknowledged and acknowledge it, in one transaction that leaves nothing."""
        with self.pipe_or_acquire() as pipe:
            pipe.zadd(self.unacked_index_key, {_NO_TAG: 0}).hset(self.unacked_key, _NO_TAG, "")
            self._remove_from_indices(_NO_TAG, pipe).execute()

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        """Return an unacknowledged message to its queue, as kombu does; drop what the guard refuses."""
        with self.channel.conn_or_acquire(client) as connected:
            stored = connected.hget(self.unacked_key, tag)
            if stored is None or self.channel.guard.admits_stored(stored):
                super().restore_by_tag(tag, client=connected, leftmost=leftmost)
            else:
                self._remove_from_indices(tag).execute()


class _Channel(BrokerChannel):
    Message = _Message
    QoS = _QoS
    guard: MessageGuard
    consumed: Callable[[], None]

    def try_to_take(self) -> None:
        """Set aside what is in the way of messages, and try what taking one needs, without one.

        Raises redis.RedisError.
        """
        with self.conn_or_acquire() as client:
            self._keys.check(client)
        self.qos.try_to_take()

    @cached_property
    def _keys(self) -> BrokerKeys:
        exchanges = (self.guard.queue, *_CELERY_EXCHANGES)
        tables = (self.keyprefix_queue, self.keyprefix_binding_permanent)
        expected = {
            **{self._q_for_pri(self.guard.queue, step): "list" for step in self.priority_steps},
            **{table % exchange: "set" for table in tables for exchange in exchanges},
            self.unacked_key: "hash",
            self.unacked_index_key: "zset",
            self.unacked_mutex_key: "string",
            self.keyprefix_binding_deadlines: "zset",
        }
        return BrokerKeys(
            expected,
            separator=self.sep,
            longest_lock_s=self.unacked_mutex_expire,
            set_aside=self.guard.set_aside,
            record=self.guard.record_binding,
        )

    def _brpop_read(self, **options: Any) -> bool:
        """Take what BRPOP returned, as kombu does, with the guard in place of its parser."""
        try:
            try:
                reply = self.client.parse_response(self.client.connection, "BRPOP", **options)
            except self.connection_errors:
                self.client.connection.disconnect()
                raise
            self.consumed()
            if not reply:
                raise Empty
            # The key ends with a separator and the priority, unless that is 0.
            queue = reply[0].decode().rsplit(self.sep, 1)[0]
            self._queue_cycle.rotate(queue)
            envelope = self.guard.admit(reply[1], queue)
            if envelope is not None:
                self.connection._deliver(envelope, queue)
                if self.qos.refusal is not None:
                    raise self.qos.refusal
            return True
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()

    def _handle_message(self, client: Any, response: Any) -> Any:
        """Take what was published, as kombu does; without its data if the guard refuses it."""
        published = super()._handle_message(client, response)
        data = published["data"]
        if isinstance(data, bytes) and not self.guard.admits_broadcast(
            data, published["channel"].decode(errors="backslashreplace")
        ):
            published["data"] = None
        return published
