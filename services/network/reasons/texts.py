"""The form of the texts on states and reasons, and the facts that they may name.

A text is a template. Its steps follow the meaning, each after a dash; a step that is one word in capitals
stands for one of SHARED_STEPS. Backticks enclose what the reader may type.
"""

import string
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from services.contract.macs import dotted


@dataclass(frozen=True)
class ReasonText:
    """What is said of one reason code."""

    event: str
    """The message of a Kubernetes Event: a template of events.EventFacts."""
    meaning: str
    """A template of Facts, like the steps."""
    steps: tuple[str, ...] = ()
    """What to do, in this order."""


@dataclass(frozen=True)
class Facts:
    """The values of one network that meanings and steps may name, or words in place of an unknown value."""

    namespace: str
    name: str
    vlan: str
    cluster_network: str
    gateway: str
    cidr: str
    server: str
    """The DHCP server that the owner configured."""
    hosts: str
    """Hosts that differ; all hosts if none does."""
    ports: str
    """The switch ports of these hosts; see switch_ports.name_ports."""
    answering: str
    """Hosts on which the gateway answers."""
    host: str
    """One host to look at."""
    interface: str
    """That host's uplink."""
    probe_macs: str
    """The MAC addresses of the hosts' probes on the VLAN, each with its host."""
    route: str
    """The name of Harvester's annotation."""
    mac: str = "MAC"
    """The MAC address to look for on the switches, in hexadecimal digits with colons."""

    def fill(self, template: str) -> str:
        """Return the text for this network; raises KeyError if the template names no fact."""
        return string.Formatter().vformat(
            template,
            (),
            {**asdict(self), "ref": f"{self.namespace}/{self.name}", "dotted_mac": dotted(self.mac)},
        )


SHARED_STEPS: Mapping[str, str] = {
    "PROBE": """
        Probe again from every host: `nadroute probe {ref} --wait`
    """,
    "TRUNK": """
        On {ports}, check that the port is a trunk (an access port drops tagged frames) and allows VLAN
        {vlan}. The VLAN must exist on this switch and on every switch up to the gateway
    """,
    "WATCH_ARP": """
        On {host}, watch whether anything answers: `tcpdump -eni {interface} 'vlan {vlan} and arp'`
    """,
    "FIND_MAC": """
        On the switches, find the port of each MAC address that is named here, such as {mac}: `show mac
        address-table address {dotted_mac}` (Cisco, Arista), `show ethernet-switching table | match {mac}`
        (Juniper), `bridge fdb show | grep {mac}` (Linux, and on a host for its own VMs)
    """,
    "EDIT": """
        Correct it: `kubectl -n {namespace} edit network-attachment-definitions {name}`
    """,
    "BY_HAND": """
        Or set cidr and gateway by hand: `kubectl -n {namespace} annotate --overwrite
        network-attachment-definitions {name}
        '{route}={{"mode":"manual","cidr":"CIDR","gateway":"GATEWAY"}}'`
    """,
}


def how_to_find(mac: str) -> str:
    """Return the step that finds a machine on the switches by its MAC address."""
    return " ".join(SHARED_STEPS["FIND_MAC"].split()).format(mac=mac, dotted_mac=dotted(mac))


def reason_text(event: str, text: str) -> ReasonText:
    """Read a ReasonText from the Event's message and a text of a meaning and steps."""
    meaning, *steps = (" ".join(part.split()) for part in f"\n{text.strip()}".split("\n        - "))
    return ReasonText(event, meaning, tuple(" ".join(SHARED_STEPS.get(step, step).split()) for step in steps))
