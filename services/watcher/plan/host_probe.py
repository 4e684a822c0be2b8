"""A probe of one segment by one host: what the plan hands out, and what is sent."""

from dataclasses import dataclass, replace

from services.contract.messages import Segment, SegmentProbe


@dataclass(frozen=True)
class HostProbe:
    """A probe of one segment by one host."""

    host: str
    segment: Segment
    probe: SegmentProbe
    repeats: frozenset[str] = frozenset()
    """Hosts that have asked DHCP before, where it is asked again only because nothing was told since."""

    def without_dhcp(self) -> "HostProbe | None":
        """Return the check of the gateways that are known; None without any."""
        targets = tuple(target for target in self.probe.targets if target.gateway is not None)
        if not targets:
            return None
        return replace(self, probe=self.probe.model_copy(update={"ask_dhcp": False, "targets": targets}))
