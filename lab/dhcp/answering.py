"""Replies of a DHCP server (RFC 2131 section 4.3). Pure: bytes in, bytes out, time passed in."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from lab.dhcp.leases import Leases
from lab.dhcp.message import NOWHERE, MessageType, NotDhcp, Option, Request, build_reply, parse_request

EVERYBODY = IPv4Address("255.255.255.255")
SERVER_PORT, CLIENT_PORT = 67, 68


@dataclass(frozen=True, kw_only=True)
class Subnet:
    """The subnet that a server serves on one interface. `router` None omits option 3.

    `relay`: the address of the relay agent of its clients; None if they are on the interface's network.
    `min_secs`: for how many seconds a client must have waited; ISC dhcpd alone can tell.
    """

    interface: str
    cidr: IPv4Network
    pool_start: IPv4Address
    pool_end: IPv4Address
    address: IPv4Address
    router: IPv4Address | None
    lease_seconds: int
    relay: IPv4Address | None = None
    min_secs: int = 0


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A datagram to send to UDP `port` of `destination`."""

    destination: IPv4Address
    data: bytes
    port: int = CLIENT_PORT


class Responder:
    """The DHCP server of one subnet. It ignores messages that do not arrive the way its clients' do."""

    def __init__(self, subnet: Subnet) -> None:
        self._subnet = subnet
        first, last = int(subnet.pool_start), int(subnet.pool_end)
        self._leases = Leases(IPv4Address(number) for number in range(first, last + 1))

    def answer(self, data: bytes, *, now: float) -> Reply | None:
        """Return the reply to a datagram, or None; `now` is in seconds of any steady clock."""
        try:
            request = parse_request(data)
        except NotDhcp:
            return None
        if not self._is_of_my_subnet(request):
            return None
        match request.message_type:
            case MessageType.DISCOVER:
                return self._discover(request, now)
            case MessageType.REQUEST:
                return self._request(request, now)
            case MessageType.INFORM:
                return self._reply(request, MessageType.ACK, NOWHERE)
            case MessageType.RELEASE:
                self._leases.release(request.mac, request.client_address)
            case MessageType.DECLINE:
                declined = request.address_option(Option.REQUESTED_ADDRESS)
                if declined is not None and self._is_for_me(request):
                    self._leases.decline(request.mac, declined, now=now)
            case _:
                pass
        return None

    def _discover(self, request: Request, now: float) -> Reply | None:
        wanted = request.address_option(Option.REQUESTED_ADDRESS)
        address = self._leases.offer(request.mac, wanted=wanted, now=now)
        return None if address is None else self._reply(request, MessageType.OFFER, address)

    def _request(self, request: Request, now: float) -> Reply | None:
        held = self._leases.held_by(request.mac, now=now)
        if not self._is_for_me(request):
            # The client accepted another server's offer, so our address is free again.
            if held is not None:
                self._leases.release(request.mac, held)
            return None
        address = request.address_option(Option.REQUESTED_ADDRESS) or request.client_address
        seconds = self._subnet.lease_seconds
        if self._leases.lease(request.mac, address, seconds=seconds, now=now):
            return self._reply(request, MessageType.ACK, address)
        return self._reply(request, MessageType.NAK, NOWHERE)

    def _is_of_my_subnet(self, request: Request) -> bool:
        relay = self._subnet.relay or NOWHERE
        if request.relay_address == relay:
            return True
        # A client that has an address contacts the server without the relay (RFC 2131 section 4.1).
        return request.relay_address == NOWHERE and request.client_address in self._subnet.cidr

    def _is_for_me(self, request: Request) -> bool:
        """Return whether the request names this server or, as when renewing or rebooting, none."""
        named = request.options.get(Option.SERVER_IDENTIFIER)
        return named is None or named == self._subnet.address.packed

    def _reply(self, request: Request, message_type: MessageType, address: IPv4Address) -> Reply:
        options: dict[Option, bytes] = {Option.SERVER_IDENTIFIER: self._subnet.address.packed}
        if message_type is not MessageType.NAK:
            options[Option.SUBNET_MASK] = self._subnet.cidr.netmask.packed
            if self._subnet.router is not None:
                options[Option.ROUTER] = self._subnet.router.packed
            if request.message_type is not MessageType.INFORM:
                options[Option.LEASE_SECONDS] = self._subnet.lease_seconds.to_bytes(4, "big")
        data = build_reply(request, message_type, your_address=address, options=options)
        if request.relay_address != NOWHERE:
            return Reply(destination=request.relay_address, data=data, port=SERVER_PORT)
        # Only a client with an address can be reached by unicast; a NAK means that it has none.
        has_address = request.client_address != NOWHERE and message_type is not MessageType.NAK
        return Reply(destination=request.client_address if has_address else EVERYBODY, data=data)
