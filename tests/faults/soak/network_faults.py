"""Faults of the network: gateways, routes, trunks, DHCP servers, cables."""

import time
from collections.abc import Callable, Sequence

from tests.faults.soak.faulting import Fault, Kinds
from tests.faults.soak.layout import (
    HOSTS,
    ISOLATED,
    MANUAL,
    MARKED,
    SITE,
    VLANS,
    WITH_ROGUE,
    WITHOUT_DHCP,
    cluster_network_of,
    gateway_link,
    gateway_of,
    server_link,
)

ROGUE_S = 30.0
INSTEAD_S = 90.0
"""Longer than every host takes to ask DHCP in its turn: until then an offer of the true server counts."""
ROUTED_TO_ONE = {8: "node1", 27: "node3"}
"""VLANs whose gateway answers only this host through routing, from the beginning on."""
NOT_TRUNKED = {24: "node2"}
"""VLANs that are missing on the trunk of this host, from the beginning on."""


class NetworkFaults(Kinds):
    """See the module."""

    def standing(self) -> list[Fault]:
        """Return what is never healed: hosts see these VLANs differently, so a restart must not decide."""
        return [
            *(
                self._not_routed(vlan, [host for host in HOSTS if host != only])
                for vlan, only in ROUTED_TO_ONE.items()
            ),
            *(self._cut(vlan, [host]) for vlan, host in NOT_TRUNKED.items()),
        ]

    def gateway(self) -> Fault:
        """A gateway is gone, on both paths."""
        vlan = self.pick(VLANS)
        link = gateway_link(vlan)
        return self.breaking(
            f"the gateway of VLAN {vlan} is gone",
            f"gateway {vlan}",
            dict.fromkeys(("vlan", "routed"), ((vlan,), HOSTS)),
            lambda: self.world.set_station(link, alive=False),
            lambda: self.world.set_station(link, alive=True),
        )

    def neighbour(self) -> Fault:
        """A gateway is silent on its VLAN, and answers through routing."""
        vlan = self.pick(VLANS)
        link = gateway_link(vlan)
        return self.breaking(
            f"the gateway of VLAN {vlan} answers no ARP",
            f"gateway {vlan}",
            {"vlan": ((vlan,), HOSTS)},
            lambda: self.world.ip_in(link.namespace, f"link set {link.interface} arp off"),
            lambda: self.world.ip_in(link.namespace, f"link set {link.interface} arp on"),
        )

    def route(self) -> Fault:
        """Some hosts get no answer through routing."""
        vlan = self.pick([vlan for vlan in VLANS if vlan not in (ISOLATED, MARKED, *ROUTED_TO_ONE)])
        return self._not_routed(vlan, self.chance.sample(HOSTS, self.chance.choice((1, 2, 3))))

    def _not_routed(self, vlan: int, hosts: Sequence[str]) -> Fault:
        addresses = [host.address for host in SITE.hosts if host.name in hosts]
        rules = [f"from {gateway_of(vlan)} to {address} blackhole" for address in addresses]
        return self.breaking(
            f"the gateway of VLAN {vlan} is not routed to {', '.join(hosts)}",
            f"routing {vlan}",
            {"routed": ((vlan,), hosts)},
            lambda: self.world.ip_in("router", *(f"rule add {rule}" for rule in rules)),
            lambda: self.world.ip_in("router", *(f"rule del {rule}" for rule in rules)),
        )

    def trunk(self) -> Fault:
        """A VLAN is missing on the trunks of some hosts."""
        hosts = self.chance.sample(HOSTS, self.chance.choice((1, 2, 3)))
        return self._cut(self.pick([vlan for vlan in VLANS if vlan not in NOT_TRUNKED]), hosts)

    def _cut(self, vlan: int, hosts: Sequence[str]) -> Fault:
        lab = self.world.lab
        name = f"{cluster_network_of(vlan)}/{vlan}"

        def on_each(action: Callable[[str, str], None]) -> Callable[[], None]:
            def act() -> None:
                for host in hosts:
                    action(host, name)

            return act

        return self.breaking(
            f"VLAN {vlan} is cut from {', '.join(hosts)}",
            f"trunk {vlan}",
            dict.fromkeys(("vlan", "dhcp"), ((vlan,), hosts)),
            on_each(lab.untrunk),
            on_each(lab.trunk),
        )

    def dhcp(self) -> Fault:
        """A DHCP server is gone."""
        return self._without_server(self.pick([v for v in VLANS if v not in (*MANUAL, *WITHOUT_DHCP)]))

    def _without_server(self, vlan: int) -> Fault:
        link = server_link(vlan)
        return self.breaking(
            f"the DHCP server of VLAN {vlan} is gone",
            f"dhcp {vlan}",
            {"dhcp": ((vlan,), ("",))},
            lambda: self.world.set_station(link, alive=False),
            lambda: self.world.set_station(link, alive=True),
        )

    def rogue(self) -> Fault:
        """A second DHCP server turns up for half a minute, or for as long as the true one is gone."""
        vlan = self.pick(WITH_ROGUE)
        rogue = self._rogue(vlan)
        if vlan in WITHOUT_DHCP or self.chance.choice((False, True)):
            return rogue
        server = self._without_server(vlan)

        def begin() -> None:
            server.begin()
            rogue.begin()

        def heal() -> None:
            rogue.heal()
            server.heal()

        label = f"a rogue takes the place of the DHCP server of VLAN {vlan}"
        return Fault(label, rogue.claims | server.claims, begin, heal, INSTEAD_S)

    def _rogue(self, vlan: int) -> Fault:
        link, times = server_link(vlan, rogue=True), self.world.rogues.setdefault(vlan, [])

        def begin() -> None:
            times.append([time.monotonic(), float("inf")])
            self.world.set_station(link, alive=True)

        def heal() -> None:
            self.world.set_station(link, alive=False)
            times[-1][1] = time.monotonic()

        label = f"a rogue DHCP server is on VLAN {vlan}"
        return Fault(label, frozenset({f"rogue {vlan}"}), begin, heal, ROGUE_S)

    def loss(self) -> Fault:
        """A host's cables lose frames: what it finds may be either."""
        host, percent = self.chance.choice(HOSTS), self.chance.choice((5, 20, 40))
        facts = [(path, vlan, host) for path in ("vlan", "dhcp") for vlan in VLANS]

        def begin() -> None:
            for fact in facts:
                self.world.truth.blur(fact, time.monotonic())
            self.world.lab.lose(host, percent)

        def heal() -> None:
            self.world.lab.lose(host, 0)
            for fact in facts:
                self.world.truth.clear(fact, time.monotonic())

        label = f"{host} loses {percent} % of its frames"
        return Fault(label, frozenset({f"loss {host}"}), begin, heal, self.seconds())

    def uplink(self) -> Fault:
        """All uplinks of a host are disconnected."""
        host = self.chance.choice(HOSTS)
        return self.breaking(
            f"the uplinks of {host} are disconnected",
            f"uplink {host}",
            dict.fromkeys(("vlan", "dhcp", "uplink"), (VLANS, (host,))),
            lambda: self.world.lab.host_down(host),
            lambda: self.world.lab.host_up(host),
        )
