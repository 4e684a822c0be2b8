"""Gauges about the causes of what is wrong."""

from prometheus_client.core import GaugeMetricFamily, Metric

from services.contract.causes import CausesRecord

MAX_LABEL_CHARACTERS = 200


def cause_networks(causes: CausesRecord) -> Metric:
    """Return how many networks each cause explains."""
    family = GaugeMetricFamily(
        "nadroute_cause_networks",
        "Networks that this cause explains. The label cause stays while the explanation becomes sharper.",
        labels=["cause", "kind", "subject"],
    )
    for cause in causes.causes:
        family.add_metric([cause.id, cause.kind, cause.subject[:MAX_LABEL_CHARACTERS]], len(cause.networks))
    return family


def explained_networks(causes: CausesRecord, most: int) -> tuple[Metric, int]:
    """Return a series for each network that a cause explains, and how many are left out beyond this limit."""
    family = GaugeMetricFamily(
        "nadroute_network_explained",
        "1 for a network that a cause explains, so that an alert on the network alone can leave it out.",
        labels=["namespace", "name"],
    )
    names = sorted({name for cause in causes.causes for name in cause.networks})
    for name in names[:most]:
        family.add_metric(name.split("/", 1), 1)
    return family, max(0, len(names) - most)
