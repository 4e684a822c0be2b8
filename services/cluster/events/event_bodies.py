"""An Event as the API server takes it (core/v1)."""

import uuid
from datetime import datetime

from services.network.parse.nad import Network
from services.network.reasons.events import Event

API_VERSION = "k8s.cni.cncf.io/v1"
KIND = "NetworkAttachmentDefinition"
MAX_EVENT_MESSAGE_CHARACTERS = 1_024
"""Kubernetes' limit for an Event's message."""


def event_body(network: Network, event: Event, *, now: datetime) -> dict[str, object]:
    """Return the Event on this network, with a name of its own; a longer message than allowed is cut."""
    at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    name = f"{network.ref.name[:200]}.{uuid.uuid4().hex[:16]}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": network.ref.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": network.ref.namespace,
            "name": network.ref.name,
            "uid": network.uid,
            "resourceVersion": network.resource_version,
        },
        "type": event.type,
        "reason": event.reason,
        "message": event.message[:MAX_EVENT_MESSAGE_CHARACTERS],
        "source": {"component": event.component},
        "reportingComponent": event.component,
        "reportingInstance": event.component,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }
