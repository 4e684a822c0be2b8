"""The check at the start that results still count when the next ones come."""

import redis
import structlog

from services.contract.errors import ConfigurationError, MessageRefused
from services.contract.names import SENDING_KEY
from services.contract.sending import SendingMark

log = structlog.get_logger(__name__)


def check_sweep(client: redis.Redis, sweep_interval_s: float) -> None:
    """Raise ConfigurationError if the watcher that sends now sweeps less often than the updater expects.

    Every network would become Unknown between two sweeps. Without a watcher, or without Redis, there is
    nothing to compare; a mark that cannot be read is ignored.
    """
    try:
        mark = client.get(SENDING_KEY)
        watcher_s = None if mark is None else SendingMark.from_wire(mark).sweep_interval_s
    except (redis.RedisError, MessageRefused) as error:
        log.warning("the watcher's sweep interval is unknown", key=SENDING_KEY, error=str(error))
        return
    if watcher_s is not None and watcher_s > sweep_interval_s:
        raise ConfigurationError(
            f"sweep_interval_s={sweep_interval_s:g}: the watcher sweeps every {watcher_s:g} s; expected at "
            "least that, or results are too old before the next ones come: set it the same for both"
        )
