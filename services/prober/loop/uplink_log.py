"""The log of uplinks that fail: each fault once, however often it is met again."""

import logging

from services.prober.sockets.link import LinkError

log = logging.getLogger(__name__)


class UplinkLog:
    """Logs that an uplink fails, and that it works again. An uplink that is down is tried at every probe."""

    def __init__(self) -> None:
        self._faults: dict[str, str] = {}

    def failed(self, cluster_network: str, error: LinkError) -> None:
        """Log a fault unless the uplink's last one was the same."""
        fields = {"cluster_network": cluster_network, "error": str(error)}
        is_known = self._faults.get(cluster_network) == str(error)
        self._faults[cluster_network] = str(error)
        log.log(logging.DEBUG if is_known else logging.WARNING, "uplink failed", extra=fields)

    def worked(self, cluster_network: str) -> None:
        """Record that probes ended without a fault of the uplink."""
        if self._faults.pop(cluster_network, None) is not None:
            log.info("uplink works again", extra={"cluster_network": cluster_network})
