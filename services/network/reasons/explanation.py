"""What a state or a reason means, and what to do about it, in the words of one network.

The texts are templates of Facts, in explanations_of_*: first what it means, then a step a dash. What stands
in backticks is there to be typed. A step that is one word in capitals is one of SHARED.
"""

import string
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from services.contract.outcomes import State


@dataclass(frozen=True)
class Explanation:
    """Of one code."""

    means: str
    steps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """What the templates may name: a network's own values, or words in place of those that are unknown."""

    namespace: str
    name: str
    vlan: str
    cluster_network: str
    gateway: str
    cidr: str
    server: str
    hosts: str
    """The hosts that differ, or all."""
    answering: str
    """Those that the gateway answers on the VLAN."""
    host: str
    """One of `hosts`, to look at."""
    interface: str
    """Its uplink."""
    route: str
    """The name of Harvester's annotation."""

    def fill(self, template: str) -> str:
        """The text of this network; KeyError where it names what is no fact."""
        return string.Formatter().vformat(
            template, (), {**asdict(self), "ref": f"{self.namespace}/{self.name}"}
        )


STATES: Mapping[State, str] = {
    State.ACTIVE: "It works: its gateway answers.",
    State.PARTIAL: "It works on some hosts alone: a VM that moves to another one loses its gateway.",
    State.ISOLATED: "VMs on it reach their gateway, but the rest of the site does not reach them.",
    State.OFF_VLAN: "Its gateway is alive, but no VM on any host reaches it: the VLAN does not get there.",
    State.UNREACHABLE: "Its gateway answers nobody, on any path: VMs on it get no further than the VLAN.",
    State.DHCP_FAILED: "It asks for DHCP and gets no usable answer, so nobody knows its gateway.",
    State.PENDING: "Nothing is known yet of what it asks for now.",
    State.UNKNOWN: "Nothing that is known of it is fresh; its connectivity stays as it was.",
    State.IGNORED: "It is left alone: nothing is probed.",
    State.DISABLED: "It is left alone because its owner wants it so.",
    State.INVALID: "What its owner wrote cannot be used, so nothing is probed.",
}

SHARED: Mapping[str, str] = {
    "PROBE": """
        Ask again, from every host: `nadroute probe {ref} --wait`
    """,
    "TRUNK": """
        On the switch port of {hosts}: it has to be a trunk port (an access port drops tagged frames)
        whose allowed VLANs include {vlan}; the VLAN itself has to exist on the switch, and on all between
        it and the gateway
    """,
    "WATCH_ARP": """
        On {host}, whether anything answers: `tcpdump -eni {interface} 'vlan {vlan} and arp'`
    """,
    "EDIT": """
        Correct it: `kubectl -n {namespace} edit network-attachment-definitions {name}`
    """,
    "BY_HAND": """
        Or write cidr and gateway by hand: `kubectl -n {namespace} annotate --overwrite
        network-attachment-definitions {name}
        '{route}={{"mode":"manual","cidr":"CIDR","gateway":"GATEWAY"}}'`
    """,
}


def explain(text: str) -> Explanation:
    """From a text of a meaning and steps."""
    means, *steps = (" ".join(part.split()) for part in f"\n{text.strip()}".split("\n        - "))
    return Explanation(means, tuple(" ".join(SHARED.get(step, step).split()) for step in steps))
