"""One question through each member of a bond: who answers ARP for a gateway on a VLAN."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Protocol

from services.prober.engine.identity import PREFIX_BYTES, Identity
from services.prober.frames import arp
from services.prober.frames.ethernet import Station
from services.prober.frames.templates import load
from services.prober.sockets.member_link import MemberLink, wait_for_any
from services.runtime.process.clock import Clock

ATTEMPTS = 3
WAIT_S = 1.0
"""For the answer to one attempt, and from one to the next."""


class Link(Protocol):
    """See MemberLink."""

    def send(self, frame: bytes) -> None: ...
    def receive(self) -> Iterator[tuple[int, bytes]]: ...
    def close(self) -> None: ...


Wait = Callable[[Sequence[Link], float], None]


def open_member(nic: str, mac_prefix: bytes) -> MemberLink:
    """Open a NIC; raises OSError."""
    return MemberLink(nic, mac_prefix=mac_prefix)


class MemberQuestions:
    """Asks through the members of the bonds of one host."""

    def __init__(
        self,
        host: str,
        *,
        clock: Clock,
        open_link: Callable[[str, bytes], Link] = open_member,
        wait: Wait = wait_for_any,  # type: ignore[assignment]
    ) -> None:
        self._host = host
        self._clock = clock
        self._open_link = open_link
        self._wait = wait
        self._template = load().arp

    def ask(
        self, cluster_network: str, nics: Sequence[str], *, vlan: int, gateway: int, every: Sequence[str]
    ) -> Mapping[str, bool]:
        """Return by which of these NICs the gateway answers; one that cannot be used is left out.

        every: all members of the bond. Each asks with a MAC address of its own, which is none of the host's,
        so that no switch takes the host, or the prober, for moved. An answer counts for the NIC that asked,
        also if the switch sent it by another one.
        """
        stations = self._stations(cluster_network, vlan, every)
        with contextlib.ExitStack() as stack:
            links: dict[str, Link] = {}
            for nic in nics:
                with contextlib.suppress(OSError):
                    links[nic] = self._open_link(nic, stations[nic].mac[:PREFIX_BYTES])
                    stack.callback(links[nic].close)
            asked = {stations[nic].mac: nic for nic in nics}
            answered: set[str] = set()
            for _ in range(ATTEMPTS):
                for nic in [nic for nic in links if nic not in answered]:
                    try:
                        links[nic].send(self._template.render(station=stations[nic], target=gateway))
                    except OSError:
                        del links[nic]
                answered |= self._hear(links, asked, answered, vlan=vlan, gateway=gateway)
                if answered >= links.keys():
                    break
            return {nic: nic in answered for nic in links}

    def _hear(
        self,
        links: dict[str, Link],
        asked: Mapping[bytes, str],
        answered: Set[str],
        *,
        vlan: int,
        gateway: int,
    ) -> set[str]:
        """Return for whom an answer came within WAIT_S; no longer once all have one. Drops broken links."""
        end, found = self._clock.monotonic() + WAIT_S, set[str]()
        while (left_s := end - self._clock.monotonic()) > 0 and not answered | found >= links.keys():
            self._wait(tuple(links.values()), left_s)
            for nic, link in list(links.items()):
                try:
                    frames = [frame for tag, frame in link.receive() if tag == vlan]
                except OSError:
                    # It went down: nothing is known of it.
                    del links[nic]
                    continue
                replies = [(arp.parse(frame), arp.target_mac_of(frame)) for frame in frames]
                found |= {
                    asked[mac]
                    for reply, mac in replies
                    if reply and reply.operation == arp.REPLY and reply.sender == gateway and mac in asked
                }
        return found

    def _stations(self, cluster_network: str, vlan: int, every: Sequence[str]) -> dict[str, Station]:
        identity = Identity(host=self._host, cluster_network=f"{cluster_network} members")
        return {
            nic: Station(vlan=vlan, mac=identity.mac(number), client_id=identity.client_id(number))
            for number, nic in enumerate(sorted(every), 1)
        }
