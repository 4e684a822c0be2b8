"""The connection to the broker as kombu makes it, except that each channel keeps its client, and that a queue
expires with its messages.

kombu makes a new client for each command, four for each task. A client holds a table of some 170 replies to
parse: filling it took nearly half of what a worker spends on a task. It ignores the expiration of a message.
"""

from typing import Any

from celery.app.amqp import AMQP
from kombu import Connection
from kombu.connection import ConnectionPool, PooledConnection
from kombu.transport import redis
from redis.exceptions import ConnectionError as RedisConnectionError

from services.runtime.connection.verified_tls import VerifiedConnection

ADDRESS_OPTION = "nadroute_address"
"""The transport option with the RedisAddress."""

_IF_IT_STAYS = (True, False, False)
_IF_LATER = (False, False, True)
"""The options nx, xx and gt of PEXPIRE."""


class BrokerChannel(redis.Channel):  # type: ignore[misc]
    """Shares a client between its commands: one without a connection of its own is thread-safe."""

    _kept: Any = None
    connection_class_ssl = VerifiedConnection

    def _connparams(self, asynchronous: bool = False) -> Any:
        """Return the arguments of a connection: kombu's, with user, password and TLS of the address."""
        params = super()._connparams(asynchronous)
        address = self.connection.client.transport_options[ADDRESS_OPTION]
        credentials = address.credentials()
        return params | address.tls_options() | ({"credential_provider": credentials} if credentials else {})

    def _create_client(self, asynchronous: bool = False) -> Any:
        """Return the kept client; a new one if asynchronous, which holds a connection, or for a new pool.

        Raises redis.ConnectionError when the connection was given up: a task that ends then acknowledges its
        message all the same, and kombu would fail with an AttributeError, which ends the worker.
        """
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("the connection was given up")
        if asynchronous:
            return super()._create_client(asynchronous=True)
        pool, kept = self.pool, self._kept
        if kept is None or kept.connection_pool is not pool:
            kept = self._kept = super()._create_client()
        return kept

    def _put(self, queue: str, message: Any, **options: Any) -> None:
        """Add a message. If it expires, its queue does so with the last of them."""
        super()._put(queue, message, **options)
        expiration = message["properties"].get("expiration")
        if expiration is None:
            return
        key = self._q_for_pri(queue, self._get_message_priority(message, reverse=False))
        # GT takes a key that does not expire for one that expires last.
        commands = [(key, int(expiration), *only) for only in (_IF_IT_STAYS, _IF_LATER)]
        batch = options.get("_publish_batch")
        if batch is not None:
            for command in commands:
                batch.add("pexpire", *command)
            return
        with self.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.pexpire(*command)
            pipe.execute()


class BrokerTransport(redis.Transport):  # type: ignore[misc]
    """Makes such channels."""

    Channel = BrokerChannel


class _Connection(Connection):  # type: ignore[misc]
    transport_type: type[BrokerTransport] = BrokerTransport

    def get_transport_cls(self) -> type[BrokerTransport]:
        """Return the transport, whatever the URL's scheme: celery_url() gives those of Redis alone."""
        return self.transport_type

    def info(self) -> dict[str, Any]:
        """Return what a worker tells of its connection (`stats`): JSON, without the address' secrets."""
        told = dict(super().info())
        options = told.get("transport_options") or {}
        told["transport_options"] = {name: options[name] for name in options if name != ADDRESS_OPTION}
        return told | {"ssl": bool(told.get("ssl"))}

    def Pool(self, limit: int | None = None, **options: Any) -> ConnectionPool:  # noqa: N802 - kombu's name
        """Return a pool of such connections: kombu's own would be made by its own transport."""
        return _Pool(self, limit, **options)


class _PooledConnection(PooledConnection, _Connection):  # type: ignore[misc]
    """A connection that sends."""


class _Pool(ConnectionPool):  # type: ignore[misc]
    def new(self) -> _PooledConnection:
        return _PooledConnection(self, **dict(self.connection._info(resolve=False)))


class Messaging(AMQP):  # type: ignore[misc]
    """What an app sends and receives by."""

    Connection = _Connection
