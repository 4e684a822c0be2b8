"""Running a Celery worker in the main thread of a service, as all services that have one do."""

import warnings

from celery import Celery, signals
from celery.platforms import SecurityWarning


def work(app: Celery, *, name: str, concurrency: int) -> int:
    """Take tasks until SIGTERM or SIGINT; the worker's exit code. Logging has to be set up before.

    name: from names.worker_name. concurrency: how many tasks at once, each in a thread.
    """

    def keep_logging(**_: object) -> None:
        """Our logging is set up already: Celery leaves it alone when this signal has a receiver."""

    # Root, with every capability but NET_RAW dropped, is how a prober is deployed; and it reads JSON alone.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    signals.setup_logging.connect(keep_logging)
    try:
        worker = app.Worker(
            hostname=name,
            pool="threads",
            concurrency=concurrency,
            # They cost 2 kB/s a worker and bring nothing here.
            without_gossip=True,
            without_mingle=True,
            # For Flower.
            task_events=True,
            quiet=True,
        )
        worker.start()
        return int(worker.exitcode or 0)
    finally:
        signals.setup_logging.disconnect(keep_logging)
