"""Doubles of the other writers of networks: Harvester's controller, UI and webhook, and Terraform.

They behave as the real ones were observed to, even where that is wrong; tests count what each of them writes.
"""

from lab.harvester.access import HttpNetworks, Networks, StoreNetworks
from lab.harvester.controller import ControllerDouble
from lab.harvester.editors import HarvesterUi, Terraform
from lab.harvester.fabric import Fabric, Lease
from lab.harvester.layer3 import Layer3
from lab.harvester.manager import FINALIZER, Manager
from lab.harvester.pace import Pace
from lab.harvester.webhook import Webhook

__all__ = [
    "FINALIZER",
    "ControllerDouble",
    "Fabric",
    "HarvesterUi",
    "HttpNetworks",
    "Layer3",
    "Lease",
    "Manager",
    "Networks",
    "Pace",
    "StoreNetworks",
    "Terraform",
    "Webhook",
]
