"""Faults of the network: gateways, routes, trunks, DHCP servers, cables."""

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from services.prober.engine.identity import Identity
from tests.faults.soak.faulting import Fault, Kinds
from tests.faults.soak.layout import (
    HOSTS,
    ISOLATED,
    MANUAL,
    MARKED,
    SITE,
    UPLINKS,
    VLANS,
    WITH_ROGUE,
    WITHOUT_DHCP,
    cluster_network_of,
    gateway_link,
    gateway_of,
    port_of,
    server_link,
)
from tests.faults.trunk import standing
from tests.simulation.ground_truth import Fact

ROGUE_S = 30.0
INSTEAD_S = 90.0
"""Longer than every host takes to ask DHCP in its turn: until then an offer of the true server counts."""
FLOOD_S = 5.0
STANDING_S = 600.0
"""An upper bound: what stands at a cable ends with its fault."""
ELSEWHERE = "gone-bo"
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
        is_alone = vlan in WITHOUT_DHCP or self.chance.choice((False, True))
        return self._rogue(vlan) if is_alone else self._instead(vlan)

    def rogue_beside(self) -> Fault:
        """A second DHCP server is beside the true one (N6)."""
        return self._rogue(self.pick([vlan for vlan in WITH_ROGUE if vlan not in WITHOUT_DHCP]))

    def rogue_alone(self) -> Fault:
        """A DHCP server is where there is none (N19)."""
        return self._rogue(self.pick([vlan for vlan in WITH_ROGUE if vlan in WITHOUT_DHCP]))

    def rogue_instead(self) -> Fault:
        """A DHCP server takes the place of the true one (N20)."""
        return self._instead(self.pick([vlan for vlan in WITH_ROGUE if vlan not in WITHOUT_DHCP]))

    def _instead(self, vlan: int) -> Fault:
        rogue, server = self._rogue(vlan), self._without_server(vlan)

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
        lab = self.world.lab
        return self.blurring(
            f"{host} loses {percent} % of its frames",
            f"loss {host}",
            [(path, vlan, host) for path in ("vlan", "dhcp") for vlan in VLANS],
            lambda: lab.lose(host, percent),
            lambda: lab.lose(host, 0),
        )

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

    def missing(self) -> Fault:
        """An uplink has gone: it has another name (N1)."""
        host, network = self.chance.choice(HOSTS), self.chance.choice(list(UPLINKS))
        name = UPLINKS[network]

        def ip(*lines: str) -> None:
            self.world.ip(self.world.lab.command(host), *lines)

        return self.breaking(
            f"the uplink {name} of {host} is missing",
            f"uplink {host}",
            dict.fromkeys(("vlan", "dhcp", "uplink"), (_vlans_of(network), (host,))),
            lambda: ip(f"link set {name} down", f"link set {name} name {ELSEWHERE}"),
            lambda: ip(f"link set {ELSEWHERE} name {name}", f"link set {name} up"),
        )

    def flapping(self) -> Fault:
        """An uplink flaps ten times a second (N3)."""
        host, network = self.chance.choice(HOSTS), self.chance.choice(list(UPLINKS))
        return self._standing_at(
            f"the uplink {UPLINKS[network]} of {host} flaps",
            host,
            network,
            [(path, vlan, host) for path in ("vlan", "dhcp", "uplink") for vlan in _vlans_of(network)],
            "flapping",
            str(STANDING_S),
        )

    def silent(self) -> Fault | None:
        """A whole VLAN is silent: gateway and DHCP server (N4)."""
        kinds = (self.gateway, self.neighbour, self.route, self.trunk, self.dhcp, self._silence)
        return self.chance.choice(kinds)()

    def hostile(self, *scripts: str) -> Fault:
        """Beside the true answers on a host's cable come others, by these scripts of tests.faults.hostile."""
        host, network = self.chance.choice(HOSTS), self.chance.choice(list(UPLINKS))
        answered = json.dumps(dict.fromkeys(_vlans_of(network), scripts))
        label = f"hostile answers on {host}'s {UPLINKS[network]}: {', '.join(scripts)}"
        return self._standing_at(label, host, network, [], "hostile", answered)

    def flood(self) -> Fault:
        """A flood of frames that answer nothing (N17)."""
        host, network = self.chance.choice(HOSTS), self.chance.choice(list(UPLINKS))
        vlan, kind = self.pick(_vlans_of(network)), self.chance.choice(("foreign", "forged"))
        mac = Identity(host=host, cluster_network=network).mac(vlan).hex()
        label = f"a flood of {kind} frames on {host}'s {UPLINKS[network]}"
        facts = [(path, vlan, host) for path in ("vlan", "dhcp") for vlan in _vlans_of(network)]
        return self._standing_at(
            label, host, network, facts, "flooding", kind, str(vlan), mac, str(FLOOD_S), seconds=FLOOD_S
        )

    def _silence(self) -> Fault:
        vlan, lab = self.pick(VLANS), self.world.lab
        name = f"{cluster_network_of(vlan)}/{vlan}"
        return self.breaking(
            f"VLAN {vlan} is silent",
            f"gateway {vlan}",
            {"vlan": ((vlan,), HOSTS), "routed": ((vlan,), HOSTS), "dhcp": ((vlan,), ("",))},
            lambda: lab.break_vlan(name),
            lambda: lab.heal_vlan(name),
        )

    def _standing_at(
        self,
        label: str,
        host: str,
        network: str,
        facts: Sequence[Fact],
        module: str,
        *arguments: str,
        seconds: float | None = None,
    ) -> Fault:
        """Return a fault while which a module of tests.faults runs at the other end of a host's cable."""
        there, port = contextlib.ExitStack(), port_of(host, network)

        def begin() -> None:
            process = there.enter_context(standing(self.world.inside("fabric"), module, port, *arguments))
            there.callback(_check_that_it_stood, label, process)

        fault = self.blurring(label, f"uplink {host}", facts, begin, there.close)
        return fault if seconds is None else replace(fault, seconds=seconds)


def _check_that_it_stood(label: str, process: "subprocess.Popen[str]") -> None:
    if process.poll():
        raise AssertionError(f"{label}: it ended with {process.returncode}")


def _vlans_of(network: str) -> list[int]:
    return [vlan for vlan in VLANS if cluster_network_of(vlan) == network]
