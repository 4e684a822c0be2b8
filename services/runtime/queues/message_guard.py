"""Refusing what is no envelope of ours, below Celery: a worker never sees it.

Used by runtime.guarded_transport, in the worker's main thread.
"""

import redis
from prometheus_client import CollectorRegistry, Counter

from services.contract.envelopes import (
    MAX_ENVELOPE_BYTES,
    Envelope,
    EnvelopeRefused,
    Refusal,
    check_broadcast,
    check_stored_envelope,
    read_envelope,
)
from services.runtime.stored import dead_letters
from services.runtime.stored.quarantine import Quarantine


class MessageGuard:
    """Reads the messages of one queue, and broadcasts; what it refuses becomes a dead letter."""

    def __init__(
        self, client: redis.Redis, *, queue: str, tasks: frozenset[str], registry: CollectorRegistry
    ) -> None:
        """tasks: the names of the tasks that the queue's worker has."""
        self.queue = queue
        self._client = client
        self._tasks = tasks
        self._refused = Counter(
            "nadroute_messages_refused",
            "Messages that are no envelope of a task of this worker, by reason.",
            ["reason"],
            registry=registry,
        )
        self._quarantine = Quarantine(client, registry=registry)
        for refusal in Refusal:
            self._refused.labels(refusal.value)

    def admit(self, raw: bytes, queue: str) -> Envelope | None:
        """Return a message that came from the queue; None if it is refused."""
        try:
            return read_envelope(raw, queue=queue, tasks=self._tasks)
        except EnvelopeRefused as error:
            self._refuse(error, raw, self.queue)
            return None

    def admits_broadcast(self, raw: bytes, channel: str) -> bool:
        """Return whether a worker may answer what was published in this channel."""
        try:
            check_broadcast(raw)
        except EnvelopeRefused as error:
            self._refuse(error, raw, channel)
            return False
        return True

    def admits_stored(self, raw: bytes) -> bool:
        """Return whether an unacknowledged message, as kombu stores it, may return to the queue."""
        try:
            check_stored_envelope(raw, queue=self.queue, tasks=self._tasks)
        except EnvelopeRefused as error:
            self._refuse(error, raw, self.queue)
            return False
        return True

    def set_aside(self, key: str, reason: str) -> None:
        """Set aside a key of the broker's; see Quarantine."""
        self._quarantine.set_aside(key, reason)

    def record_binding(self, key: str, reason: str, member: bytes) -> None:
        """Record what was no binding of a queue, and was removed."""
        self._refused.labels(Refusal.MALFORMED.value).inc()
        dead_letters.record(
            self._client, where=key, reason=reason, body=member.decode(errors="backslashreplace")
        )

    def _refuse(self, error: EnvelopeRefused, raw: bytes, where: str) -> None:
        self._refused.labels(error.refusal.value).inc()
        beginning = raw[:MAX_ENVELOPE_BYTES].decode(errors="backslashreplace")
        dead_letters.record(self._client, where=where, reason=str(error), body=beginning)
