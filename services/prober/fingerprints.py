"""Fingerprints of what results say, by which a later result with the same content is reported."""

from hashlib import blake2b

from services.contract.limits import MAX_SERVERS
from services.contract.outcomes import ReachOutcome
from services.prober.engine.results import DHCPOffer, ReachResult, SegmentResult

_DIGEST_BYTES = 8


def fingerprint(result: SegmentResult) -> str | None:
    """Return 16 hexadecimal digits, the same for results whose verdicts differ in passing numbers alone.

    Those are durations, and the attempts of DHCP and of what answered; the fewer attempts, the less silent is
    what did not answer. None if the result is to be reported in full each time: it has a fault, or frames
    were lost, so it says little about the network.
    """
    if result.fault is not None or result.dropped_frames:
        return None
    dhcp, lease = result.dhcp, result.lease
    content: tuple[object, ...] = (
        None
        if dhcp is None
        else (
            str(dhcp.outcome),
            dhcp.omitted,
            [(*_offer(offer), offer.server in result.rogues) for offer in dhcp.offers],
        ),
        None if lease is None else (str(lease.outcome), lease.server, lease.address, lease.owner),
        () if lease is None else lease.others,
        result.source_owner,
        [
            (
                target.digest,
                None if target.offer is None else _subnet(target.offer),
                target.gateway,
                _reach(target.vlan),
                _reach(target.routed),
                _reach(target.echo),
            )
            for target in result.targets
        ],
        result.untagged,
    )
    if result.bridge is not None:
        content = *content, str(result.bridge)
    if result.members:
        content = *content, result.members
    return blake2b(repr(content).encode(), digest_size=_DIGEST_BYTES).hexdigest()


def _offer(offer: DHCPOffer) -> tuple[object, ...]:
    return (
        offer.server,
        offer.server_mac,
        offer.address,
        offer.prefix,
        offer.gateway,
        offer.routers[:MAX_SERVERS],
        offer.relay,
        offer.lease_s,
        offer.unasked_ack,
        offer.acknowledged,
        offer.on_link,
    )


def _subnet(offer: DHCPOffer) -> tuple[int, int] | None:
    if offer.prefix is None:
        return None
    return offer.address >> (32 - offer.prefix), offer.prefix


def _reach(result: ReachResult) -> tuple[object, ...]:
    outcome = result.outcome
    attempts = 0 if outcome is ReachOutcome.REACHABLE else result.attempts
    # Which of several answers first is chance.
    return str(outcome), attempts, result.macs or result.mac, result.from_address, result.unproven
