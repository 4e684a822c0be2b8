"""A small Kubernetes API server that stands in for the cluster in the demo and the tests.

It serves networks (NetworkAttachmentDefinition), namespaces, nodes, events and leases like a real one, as far
as clients can see: versions, conflicts, watches, patches, finalizers. Tests can script its faults.
"""

from lab.kube.errors import ApiError
from lab.kube.harvester import HarvesterAdmission
from lab.kube.requests import Match
from lab.kube.server import ApiServer

__all__ = ["ApiError", "ApiServer", "HarvesterAdmission", "Match"]
