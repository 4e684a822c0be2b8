"""From intents to what a host is asked to do: one probe of a segment, however many networks name it."""

from collections.abc import Collection

from services.contract.messages import MAX_TARGETS, SegmentProbe, Target
from services.network.parse.intent import Intent


def segment_probe(intents: Collection[Intent], *, ask_dhcp: bool) -> SegmentProbe:
    """One segment's probe for all intents on it, which must share the segment and be at least one.

    Two networks that ask the same are one target. DHCP is asked only where an auto network could use the
    answer. Of more than MAX_TARGETS different askings the first by digest are taken: a tenant who writes a
    thousand gateways on one VLAN does not make every host ask a thousand times.
    """
    by_target = {
        (intent.digest, intent.known_gateway): Target(
            digest=intent.digest,
            gateway=intent.gateway if intent.mode == "manual" else intent.known_gateway,
            from_dhcp=intent.mode == "auto",
            server=intent.server,
        )
        for intent in intents
    }
    targets = tuple(by_target[key] for key in sorted(by_target, key=str)[:MAX_TARGETS])
    (vlan,) = {intent.segment.vlan for intent in intents}
    return SegmentProbe(vlan=vlan, ask_dhcp=ask_dhcp and any(t.from_dhcp for t in targets), targets=targets)
