"""A small Kubernetes API server: stands for the cluster in the demo and the tests.

It serves networks (NetworkAttachmentDefinition), namespaces, nodes, events and leases as a real one does, as
far as clients can tell: versions, conflicts, watches, patches, finalizers. It fails when a test says so.
"""

from lab.kube.errors import ApiError
from lab.kube.harvester import HarvesterAdmission
from lab.kube.requests import Match
from lab.kube.server import ApiServer

__all__ = ["ApiError", "ApiServer", "HarvesterAdmission", "Match"]
