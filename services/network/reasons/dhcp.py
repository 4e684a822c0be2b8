"""Texts on reasons why DHCP names no usable gateway, and on findings beside a state."""

from collections.abc import Mapping

from services.contract.outcomes import Reason
from services.network.reasons.texts import ReasonText, reason_text

NO_USABLE_GATEWAY: Mapping[Reason, ReasonText] = {
    Reason.NO_DHCP_OFFER: reason_text(
        "no DHCP server answered on {segment} (asked from {unoffered})",
        """
        No host that asked received a DHCP offer on VLAN {vlan}. Common causes: there is no DHCP server and no
        relay, the pool is exhausted, the VLAN does not reach the hosts, or the server answers only MAC
        addresses that it knows. So do scopes with static entries alone, servers with a filter or a class, and
        Harvester's VM DHCP add-on (IPPool), which answers VMs. VMs may get addresses then.
        - Check that the DHCP server runs, has a scope for VLAN {vlan} and has free addresses
        - If the server answers known MAC addresses alone, enter those of the probes: {probe_macs}. They stay
          the same; DISCOVER alone takes no lease
        - If Harvester's VM DHCP add-on serves the network, no entry helps; set cidr and gateway by hand, as
          its IPPool has them: `kubectl get ippools.network.harvesterhci.io -A -o yaml`
        - If the server is on another network, check the relay on the router's interface for VLAN {vlan}
          (Cisco: `ip helper-address SERVER`)
        - TRUNK
        - On {host}, watch whether DISCOVERs leave and what comes back: `tcpdump -eni {interface} 'vlan {vlan}
          and udp port 67 or 68'`
        - On {host}, ask by hand: `nadroute scan --interface {interface} --vlans {vlan} --debug {vlan}`
        - Check whether the switch accepts DHCP replies on trusted ports only (DHCP snooping)
        - BY_HAND
        """,
    ),
    Reason.NO_ROUTER_OPTION: reason_text(
        "DHCP on {segment} names no gateway",
        """
        A DHCP server offers addresses, but names no gateway.
        - On that server, in the scope of VLAN {vlan}, add option 3 (router), or option 121 with a default
          route
        - If VMs do get a gateway there, the server may name it only in the DHCPACK, which is read at the
          prober's depth lease (`NADROUTE_DEPTH=lease`)
        - BY_HAND
        """,
    ),
    Reason.NO_SUBNET_MASK: reason_text(
        "DHCP on {segment} names no usable subnet mask",
        """
        A DHCP server offers addresses without a usable subnet mask: it is missing, /0 or not contiguous.
        - On that server, in the scope of VLAN {vlan}, correct option 1 (subnet mask)
        - BY_HAND
        """,
    ),
    Reason.ROUTER_OUTSIDE_SUBNET: reason_text(
        "DHCP on {segment} names a gateway outside its subnet",
        """
        The gateway that DHCP names is outside the subnet that it offers, and no route in option 121 says that
        it is on the link. Most VMs cannot reach it.
        - On that server, in the scope of VLAN {vlan}, correct option 3 (router) or option 1 (subnet mask)
        - If the gateway is meant to be outside, add option 121 with two routes: the gateway as a /32 through
          0.0.0.0, and 0.0.0.0/0 through the gateway
        """,
    ),
    Reason.ROUTER_NOT_A_HOST: reason_text(
        "DHCP on {segment} names a gateway that is not a host's address",
        """
        The gateway that DHCP names is not a host's address: it is multicast, loopback, link-local, or the
        subnet's own or broadcast address.
        - On that server, in the scope of VLAN {vlan}, correct option 3 (router)
        """,
    ),
    Reason.ROUTER_IS_OFFERED_ADDRESS: reason_text(
        "DHCP on {segment} offers the gateway's own address to a client",
        """
        The DHCP server offers the very address that it names as the gateway.
        - On that server, exclude the gateway's address from the pool of VLAN {vlan}
        """,
    ),
    Reason.ROUTER_REFUSED: reason_text(
        "DHCP on {segment} names a gateway that nadroute may not probe",
        """
        The gateway that DHCP names is in a denied subnet or is a host's own address, so nadroute does not
        probe it.
        - Find out who serves DHCP on VLAN {vlan}: the detail and the checks name it with its MAC address
        - FIND_MAC
        - Switch off a server that does not belong there; correct
          option 3 (router) if the server is yours
        - If the gateway is right, remove its subnet from the setting denied_subnets: `nadroute config
          watcher` shows the current value
        """,
    ),
    Reason.ROUTER_NOT_ON_VLAN: reason_text(
        "DHCP on {segment} names a gateway of the hosts' own network, which does not answer on this VLAN",
        """
        The gateway that DHCP names is the default gateway of a host or in a host's own network, and answers
        ARP on VLAN {vlan} from no host. The hosts reach it without this VLAN, so an answer through routing
        proves nothing about it. It is used only while it answers on VLAN {vlan}.
        - Find out who serves DHCP on VLAN {vlan}: the detail and the checks name it with its MAC address
        - FIND_MAC
        - Switch off a server that does not belong there; correct
          option 3 (router) if the server is yours
        - If VLAN {vlan} is the hosts' own network, check that it is trunked to the hosts and that the switch
          does not filter ARP
        """,
    ),
    Reason.SUBNET_TOO_WIDE: reason_text(
        "DHCP on {segment} names a subnet wider than /8",
        """
        A DHCP server offers an address in a subnet wider than /8, which no VLAN has.
        - Find out who serves DHCP on VLAN {vlan}: the detail and the checks name it with its MAC address
        - FIND_MAC
        - Switch off a server that does not belong there; correct
          option 1 (subnet mask) if the server is yours
        """,
    ),
    Reason.SUBNET_REFUSED: reason_text(
        "DHCP on {segment} names a subnet that overlaps a denied one",
        """
        The subnet that DHCP offers overlaps a denied subnet, such as that of Harvester's pods or services.
        VMs could not reach one of the two.
        - Find out who serves DHCP on VLAN {vlan}: the detail and the checks name it with its MAC address
        - FIND_MAC
        - Switch off a server that does not belong there; correct
          option 1 (subnet mask) if the server is yours
        - If the subnet is right, remove the other one from the setting denied_subnets of watcher, prober and
          updater: `nadroute config watcher` shows the current value
        """,
    ),
    Reason.CONFIGURED_SERVER_SILENT: reason_text(
        "the configured DHCP server did not answer on {segment}",
        """
        Other DHCP servers made offers, but the one that the route annotation names, {server}, did not. It may
        be down, or answer only MAC addresses that it knows.
        - Check that this server runs and has a scope for VLAN {vlan}
        - If it answers known MAC addresses alone, enter those of the probes: {probe_macs}
        - Check that serverIPAddr is its address (option 54 of its offers). Correct it, or leave it empty to
          accept any server
        """,
    ),
}

FINDINGS: Mapping[Reason, ReasonText] = {
    Reason.SEVERAL_ROUTERS: reason_text(
        "DHCP on {segment} names several gateways",
        """
        DHCP names several gateways. nadroute uses the first usable one; VMs may use another.
        - If this is not intended, leave one router in option 3 of the scope
        """,
    ),
    Reason.SUBNET_TOO_SMALL: reason_text(
        "DHCP on {segment} offers a /32 without a route to its gateway",
        """
        DHCP offers each VM a /32, in which there is no gateway, and no route in option 121 that says that the
        gateway is on the link. Many DHCP clients, such as dhclient and systemd-networkd, reach the gateway
        all the same; others have no default route.
        - On that server, in the scope of VLAN {vlan}, add option 121 with two routes: the gateway as a /32
          through 0.0.0.0, and 0.0.0.0/0 through the gateway. Or correct option 1 (subnet mask)
        """,
    ),
    Reason.DHCP_SERVERS_DISAGREE: reason_text(
        "DHCP servers on {segment} offer different subnets or gateways",
        """
        Several DHCP servers answer on VLAN {vlan} and offer different subnets or gateways; a VM may take any
        of them. nadroute uses the server in serverIPAddr; without one, the server that names the known
        gateway and subnet; otherwise the server with the lowest address. The finding lists them, with the MAC
        address that each offer came from. Servers that agree, such as a failover pair, are not reported.
        - FIND_MAC
        - Switch off a server that does not belong there, such as a VM, an access point or a test. DHCP
          snooping on the switch keeps such servers out
        - If all of them are yours, make their scopes agree, or name the one to use as serverIPAddr in the
          annotation {route}
        - PROBE
        """,
    ),
    Reason.OTHER_SERVER_ANSWERED: reason_text(
        "DHCP servers answer on {segment}, but none that names the known gateway",
        """
        A DHCP server made an offer on VLAN {vlan}, and no offer named the known gateway, with its known
        subnet, before the probe ended. The finding lists who answered, with the MAC address that each offer
        came from. nadroute keeps the known gateway and subnet until the gateway is silent on the VLAN. It
        also follows others that are named by a server that named the known ones before, with the same MAC
        address, or by the server in serverIPAddr, unless that one named the known ones from another MAC
        address.
        - FIND_MAC
        - Switch off a server that does not belong there, such as a VM, an access point or a test. DHCP
          snooping on the switch keeps such servers out
        - Check that the server that named {gateway} runs, and how long it takes to answer: `nadroute scan
          --interface {interface} --vlans {vlan} --debug {vlan}`
        - If the network has moved to another gateway on purpose, switch the old one off on VLAN {vlan}, or
          name the DHCP server to use as serverIPAddr in the annotation {route}
        """,
    ),
    Reason.SERVER_ID_SHARED: reason_text(
        "different DHCP offers name the same server on {segment}",
        """
        Offers on VLAN {vlan} name the same DHCP server (option 54), but different subnets or gateways. The
        finding lists them, with the MAC address that each came from. Two machines may be configured with one
        address, or one of them answers in the other's name. Two routers that relay the same offer are not
        reported.
        - FIND_MAC
        - Switch off the machine that does not belong there
        - If both are yours, give them different addresses, or make their scopes agree
        - DHCP snooping on the switch accepts offers on trusted ports only
        """,
    ),
    Reason.TOO_MANY_DHCP_SERVERS: reason_text(
        "more DHCP servers answer on {segment} than nadroute keeps",
        """
        More DHCP servers made offers on VLAN {vlan} than nadroute keeps. Offers that name the known gateway,
        or are from a configured or an allowed server, are kept before others; the further ones are counted
        and left out. So many servers are most often invented by one machine. So none of them takes the place
        of the known gateway, even if that is silent; it is kept until it expires.
        - On {host}, look at the offers and at the MAC addresses that they come from: `nadroute scan
          --interface {interface} --vlans {vlan} --debug {vlan}`
        - FIND_MAC
        - Switch off what does not belong there. DHCP snooping on the switch keeps such servers out
        """,
    ),
    Reason.DUPLICATE_GATEWAY: reason_text(
        "several machines answer for gateway {gateway} on {segment}",
        """
        On VLAN {vlan}, several MAC addresses answered one ARP question for the gateway {gateway}, or took
        turns within half an hour. A machine may have the gateway's address, or answer for it (proxy ARP); VMs
        whose traffic goes there are cut off or overheard. Redundant routers that share one virtual MAC
        address, and GLBP, are not reported. Two routers with MAC addresses of their own are, if both answer
        or they take over from each other again and again; so is one router with two interfaces on the VLAN.
        - FIND_MAC
        - Switch that machine off, give it another address, or turn proxy ARP off on its interface in VLAN
          {vlan} (Cisco: `no ip proxy-arp`; Linux: `sysctl net.ipv4.conf.IFACE.proxy_arp=0`)
        - If both are yours and redundant, give them one virtual MAC address (VRRP; keepalived: `use_vmac`)
        - PROBE
        """,
    ),
    Reason.OVERLAPS_MANAGEMENT: reason_text(
        "the subnet of the network on {segment} is also one of the hosts' own",
        """
        The hosts reach some or all of {cidr} by a network of their own, or their default gateway is in it. So
        an ICMP echo to {gateway} through the hosts' routing may never use VLAN {vlan}: whatever answers there
        may be another machine with this address. `connectivity` says what such an echo finds, as Harvester's
        own controller does. What VMs meet is what the hosts find on the VLAN.
        - Give VLAN {vlan} a subnet of its own, or correct cidr, gateway or the DHCP scope
        - On {host}, see which way is taken: `ip route get {gateway}`
        - If VLAN {vlan} is the hosts' own network, and trunked to {interface} on purpose, nothing is wrong:
          then both ways lead to the same machine
        """,
    ),
    Reason.OVERLAPS_NETWORK: reason_text(
        "the subnet of the network on {segment} overlaps that of another VLAN",
        """
        Another VLAN has a subnet that overlaps {cidr}. Routing leads to one of the two, so an ICMP echo to
        {gateway} through the hosts' routing says something about one VLAN alone, and it is not known about
        which. What VMs meet is what the hosts find on the VLAN. The finding names the other VLANs; a subnet
        that holds those of very many VLANs is reported at its own network alone.
        - Give each VLAN a subnet of its own, or correct cidr, gateway or the DHCP scope
        - On {host}, see which way is taken: `ip route get {gateway}` and `traceroute -In {gateway}`
        - If the two are apart on purpose, and VLAN {vlan} is not meant to be routed, mark the network as
          isolated: `kubectl -n {namespace} annotate network-attachment-definitions {name}
          nadroute.io/isolated=true`
        """,
    ),
    Reason.OTHER_WRITER: reason_text(
        "another writer takes back what nadroute writes to this network",
        """
        Another writer changes, empties or removes what nadroute has written. nadroute writes it again, at
        most four times an hour; a fifth time is left as it is and told by an Event, CorrectionLimitReached.
        The finding names the field manager, where the object tells it.
        - A tool that applies manifests: leave the annotation {route} out of them, or have the tool ignore
          it; docs/living-with-gitops.md has the settings of Argo CD, Fleet and Terraform
        - Harvester's own controller checks through routing only; with active_when=routed the two agree
        - Who writes which field: `kubectl -n {namespace} get network-attachment-definitions {name} -o yaml
          --show-managed-fields`
        """,
    ),
}
