"""Events of a worker whose Redis has gone."""

import threading
from pathlib import Path

from services.contract.celery_app import make_app
from tests.support.redis_server import running_redis

PATIENCE_S = 10.0


def test_a_heartbeat_that_cannot_be_sent_holds_up_nothing(short_folder: Path) -> None:
    """Celery asks to try again until Redis is back, in the loop that hears signals: that is not done."""
    with running_redis(short_folder) as server:
        app = make_app(server.url)
        with app.connection_for_write() as connection:
            events = app.events.Dispatcher(connection, hostname="prober@node1")
            events.send("worker-online")
            server.process.kill()
            server.process.wait()
            sending = threading.Thread(
                target=lambda: events.send("worker-heartbeat", freq=2.0, retry=True), daemon=True
            )
            sending.start()
            sending.join(PATIENCE_S)
            assert not sending.is_alive()
