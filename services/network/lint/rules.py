"""The rules: what each finds, how bad that is, and why. A code is never given to another rule.

examples.py has a wrong and a right manifest for each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """It does not work, or Harvester refuses it."""
    WARNING = "warning"
    """It works otherwise than the text says, or not for long."""
    ADVICE = "advice"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule."""

    code: str
    name: str
    level: Level
    why: str


def _rule(title: str, level: Level, why: str) -> Rule:
    code, name = title.split()
    return Rule(code, name, level, " ".join(why.split()))


_RULES = (
    _rule(
        "NR001 not-yaml",
        Level.ERROR,
        """
        The file is no YAML from this place on, so that nothing after it is checked. Templates are checked
        after they are rendered: helm template … | nadroute lint -
        """,
    ),
    _rule(
        "NR101 no-route-annotation",
        Level.WARNING,
        """
        Without the annotation Harvester never asks for cidr and gateway, and its UI shows no route
        connectivity. nadroute reads it as mode auto, unless its setting default_mode is off. The manifest
        should say what is meant.
        """,
    ),
    _rule(
        "NR102 bad-route",
        Level.ERROR,
        """
        The annotation is a JSON object whose fields are strings, except outdated, which is true or false;
        mode is auto or manual. Harvester's webhook refuses the network otherwise, and each later change
        of it.
        """,
    ),
    _rule(
        "NR103 bad-cidr",
        Level.ERROR,
        """
        In mode manual cidr is the network's IPv4 subnet. /0 would be a route to everywhere, which once
        cut a whole cluster off.
        """,
    ),
    _rule(
        "NR104 bad-gateway",
        Level.ERROR,
        """
        In mode manual gateway is the IPv4 address of a router: no name, not the subnet's own or broadcast
        address.
        """,
    ),
    _rule(
        "NR105 gateway-outside-cidr",
        Level.ERROR,
        """
        VMs of the subnet cannot reach a gateway outside it. Harvester does not check this; nadroute does
        not probe such a network.
        """,
    ),
    _rule(
        "NR106 bad-dhcp-server",
        Level.ERROR,
        """
        serverIPAddr is the IPv4 address of the DHCP server whose offers count, or is left out.
        """,
    ),
    _rule(
        "NR107 host-bits",
        Level.WARNING,
        """
        cidr names an address in the subnet instead of the subnet. Harvester masks it; another reader may
        not.
        """,
    ),
    _rule(
        "NR108 spelling",
        Level.WARNING,
        """
        Harvester is written in Go, which reads a key in any case; other readers see another key.
        """,
    ),
    _rule(
        "NR109 unknown-field",
        Level.WARNING,
        """
        Harvester's controller, its helper and its UI rewrite the annotation and lose any other field.
        """,
    ),
    _rule(
        "NR110 result-in-git",
        Level.WARNING,
        """
        connectivity, outdated and nadroute.io/status are results. In a repository they are old at once,
        and a tool that applies it would write them over and over.
        """,
    ),
    _rule(
        "NR201 bad-config",
        Level.ERROR,
        """
        spec.config is a JSON object as a string, with the types that Harvester expects; vlan is 0 to
        4094. Its webhook refuses the network otherwise.
        """,
    ),
    _rule(
        "NR202 no-vm-network",
        Level.ERROR,
        """
        Harvester's VM networks are of the type bridge or kube-ovn. Its webhook refuses others.
        """,
    ),
    _rule(
        "NR203 vlan-and-trunk",
        Level.ERROR,
        """
        vlan makes an access network of one VLAN, vlanTrunk a trunk of several. With both, vlan counts and
        the trunk is ignored.
        """,
    ),
    _rule(
        "NR204 bridge-name",
        Level.ERROR,
        """
        The bridge of a cluster network is its name with -br. Another one exists on no host.
        """,
    ),
    _rule(
        "NR205 long-cluster-network",
        Level.ERROR,
        """
        A cluster network's name has at most 12 characters: its interfaces' names are 15 long at most.
        """,
    ),
    _rule(
        "NR206 no-cni-version",
        Level.WARNING,
        """
        CNI needs cniVersion to know how to read the rest; Harvester's UI writes 0.3.1.
        """,
    ),
    _rule(
        "NR207 other-config-name",
        Level.WARNING,
        """
        The name in the configuration is another one than the network's. One of the two was copied.
        """,
    ),
    _rule(
        "NR208 bad-mtu",
        Level.ERROR,
        """
        mtu is 0, for the cluster network's own, or 576 to 9000. Harvester's webhook refuses others.
        """,
    ),
    _rule(
        "NR301 label-differs",
        Level.ERROR,
        """
        Harvester's labels repeat what the configuration says. Where they differ, its UI and its
        controller read different networks; the controller restores them.
        """,
    ),
    _rule(
        "NR302 name-says-another-vlan",
        Level.WARNING,
        """
        The network's name has a VLAN in it, and it is not the one that is configured.
        """,
    ),
    _rule(
        "NR303 system-namespace",
        Level.WARNING,
        """
        Networks of the namespace harvester-system are Harvester's own: nobody probes or changes them.
        """,
    ),
    _rule(
        "NR304 no-description",
        Level.ADVICE,
        """
        field.cattle.io/description tells in Harvester's UI what a network is for.
        """,
    ),
    _rule(
        "NR401 same-vlan-twice",
        Level.WARNING,
        """
        Two networks name one VLAN of one cluster network. They are one segment: probed once, and with one
        result.
        """,
    ),
    _rule(
        "NR402 overlapping-subnets",
        Level.WARNING,
        """
        Two networks on different VLANs have subnets that overlap: a router has a route to one of them.
        """,
    ),
    _rule(
        "NR403 no-cluster-network",
        Level.ERROR,
        """
        There are ClusterNetworks among the manifests, and none with this name (mgmt always exists).
        Harvester's webhook refuses a network whose cluster network is missing.
        """,
    ),
    _rule(
        "NR404 no-vlan-config",
        Level.WARNING,
        """
        There are VlanConfigs among the manifests, and none for this cluster network: no host has an
        uplink of it.
        """,
    ),
)
RULES: Mapping[str, Rule] = {rule.code: rule for rule in _RULES}
"""By code, in order."""
