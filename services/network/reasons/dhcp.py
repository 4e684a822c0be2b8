"""What it means that DHCP names no usable gateway, and what is told beside a state."""

from collections.abc import Mapping

from services.contract.outcomes import Reason
from services.network.reasons.explanation import Explanation, explain

DHCP: Mapping[Reason, Explanation] = {
    Reason.NO_DHCP_OFFER: explain(
        """
        Nobody offered an address on VLAN {vlan}, to any host that asked. There is no DHCP server, no
        relay to one, its pool is used up, or the VLAN does not reach the hosts.
        - The DHCP server: does it run, has it a scope for this VLAN, and are addresses left in it?
        - If it is elsewhere, the relay: on the router's interface for VLAN {vlan} (Cisco: `ip
          helper-address SERVER`)
        - TRUNK
        - On {host}, whether DISCOVERs leave, and what comes back: `tcpdump -eni {interface} 'vlan {vlan} and
          udp port 67 or 68'`
        - Or ask from there by hand: `nadroute scan --interface {interface} --vlans {vlan} --debug {vlan}`
        - The switch may trust DHCP answers on other ports alone (DHCP snooping)
        - If there is to be no DHCP: write cidr and gateway by hand: `kubectl -n {namespace} annotate
          --overwrite network-attachment-definitions {name}
          '{route}={{"mode":"manual","cidr":"CIDR","gateway":"GATEWAY"}}'`
        """
    ),
    Reason.NO_ROUTER_OPTION: explain(
        """
        A DHCP server offers addresses, but names no gateway.
        - On that server, in the scope of VLAN {vlan}: add option 3 (router), or 121 with a default route
        - BY_HAND
        """
    ),
    Reason.NO_SUBNET_MASK: explain(
        """
        A DHCP server offers addresses without a usable subnet mask: none, /0, or one with holes.
        - On that server, in the scope of VLAN {vlan}: correct option 1 (subnet mask)
        - BY_HAND
        """
    ),
    Reason.SUBNET_TOO_SMALL: explain(
        """
        A DHCP server offers an address in a subnet of its own (/32): a gateway has no room in it.
        - On that server, in the scope of VLAN {vlan}: correct option 1 (subnet mask); /31 is the longest
          that works
        """
    ),
    Reason.ROUTER_OUTSIDE_SUBNET: explain(
        """
        The gateway that DHCP names is not in the subnet that it offers: no VM could reach it.
        - On that server, in the scope of VLAN {vlan}: correct option 3 (router) or option 1 (mask)
        """
    ),
    Reason.ROUTER_NOT_A_HOST: explain(
        """
        What DHCP names as gateway can be no host: multicast, loopback, link-local, or the subnet's own or
        broadcast address.
        - On that server, in the scope of VLAN {vlan}: correct option 3 (router)
        """
    ),
    Reason.ROUTER_IS_OFFERED_ADDRESS: explain(
        """
        The DHCP server offers to its clients the very address that it names as their gateway.
        - On that server: take the gateway's address out of the pool of VLAN {vlan}
        """
    ),
    Reason.ROUTER_REFUSED: explain(
        """
        The gateway that DHCP names is in a denied subnet, or a host's own address: hosts are not made to
        ask there.
        - Who serves DHCP on VLAN {vlan}? A stranger's server could name such a gateway; if it is yours,
          correct option 3 (router) of its scope
        - If it is right, take it out of the setting denied_subnets: `nadroute config watcher` shows what
          is in force
        """
    ),
    Reason.CONFIGURED_SERVER_SILENT: explain(
        """
        Other DHCP servers offered; the one that the route annotation names, {server}, did not.
        - That server: does it run, and has it a scope for VLAN {vlan}?
        - Whether serverIPAddr is its address (option 54 of its offers): correct it, or leave it empty to
          take any server's
        """
    ),
}

FINDINGS: Mapping[Reason, Explanation] = {
    Reason.SEVERAL_ROUTERS: explain(
        """
        DHCP names several gateways; the first usable one counts here, and VMs may take another.
        - Nothing, if it is meant so; otherwise leave one in option 3 (router) of the scope
        """
    ),
    Reason.DHCP_SERVERS_DISAGREE: explain(
        """
        Several DHCP servers answer on VLAN {vlan} and would lead VMs to different gateways: whichever
        answers first wins, for each VM anew.
        - Is one of them a stranger (a VM, an access point, somebody's test)? Switch it off; the switch
          can keep such out (DHCP snooping)
        - If all are yours, make their scopes agree; or name the one that counts here as serverIPAddr in
          the annotation {route}
        - PROBE
        """
    ),
    Reason.OTHER_WRITER: explain(
        """
        Somebody else keeps writing another result into the route annotation; it is put right at most four
        times an hour, so that there is no war.
        - Most often it is Harvester's own controller, which asks through routing alone: with
          active_when=routed the two agree
        - Who else writes it: `kubectl -n {namespace} get network-attachment-definitions {name} -o yaml
          --show-managed-fields`
        """
    ),
}
