"""Whether Harvester's VM DHCP add-on serves a network: it answers the MAC addresses of VMs alone."""

from collections.abc import Sequence
from dataclasses import replace

from services.cluster.ip_pools import IPPool
from services.contract.outcomes import Reason
from services.network.parse import nad
from services.network.parse.tolerance import read_cidr, read_gateway
from services.view.explained_network import ExplainedNetwork
from services.view.rows import NetworkRow

NOT_LOOKED_UP = (
    "Whether an IPPool of Harvester's VM DHCP add-on serves this network could not be looked up with your "
    "kubeconfig."
)


def asks_for_pools(row: NetworkRow) -> bool:
    """Whether a pool would explain that DHCP does not answer."""
    codes = {row.reason, *row.findings}
    return bool(codes & {Reason.NO_DHCP_OFFER, Reason.CONFIRMING_NO_OFFER, Reason.CONFIGURED_SERVER_SILENT})


def with_pools(explained: ExplainedNetwork, pools: Sequence[IPPool] | None) -> ExplainedNetwork:
    """Return the explanation with what the pools of this network mean, and what to do first.

    pools: all of the cluster; None if they could not be read.
    """
    if pools is None:
        return replace(explained, meaning=(*explained.meaning, NOT_LOOKED_UP))
    ref = explained.row.ref
    serving = [pool for pool in pools if pool.serves(ref)]
    if not serving:
        return explained
    pool = serving[0]
    paused = " It is paused." if pool.is_paused else ""
    means = (
        f"The IPPool {pool.ref} of Harvester's VM DHCP add-on serves this network. It answers the MAC "
        f"addresses of VMs alone, so the hosts get no offer, although VMs may get addresses.{paused}"
    )
    return replace(
        explained, meaning=(*explained.meaning, means), steps=(_by_hand(ref, pool), *explained.steps)
    )


def _by_hand(ref: nad.NetworkRef, pool: IPPool) -> str:
    cidr, router = read_cidr(pool.cidr), read_gateway(pool.router)
    values = f'"cidr":"{cidr or "CIDR"}","gateway":"{router or "GATEWAY"}"'
    why = (
        "as the IPPool has them" if cidr and router else "as VMs have them; the IPPool names no usable router"
    )
    return (
        f"Set cidr and gateway by hand, {why}: `kubectl -n {ref.namespace} annotate --overwrite "
        f'network-attachment-definitions {ref.name} \'{nad.ROUTE}={{"mode":"manual",{values}}}\'`'
    )
