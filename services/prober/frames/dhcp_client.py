"""DHCP messages of a client (RFC 2131 section 4.4), rendered from templates."""

from typing import Final

from services.prober.frames import dhcp, dhcp_options, ethernet, ipv4
from services.prober.frames.ethernet import CLIENT_ID_BYTES, Station

_IP: Final = ethernet.TAGGED_HEADER_BYTES
_UDP: Final = _IP + ipv4.HEADER_BYTES
_UDP_CHECKSUM: Final = _UDP + 6
_BOOTP: Final = _UDP + ipv4.UDP_HEADER_BYTES
_XID: Final = _BOOTP + 4
_SECS: Final = _BOOTP + 8
_CIADDR: Final = _BOOTP + 12
_CHADDR: Final = _BOOTP + 28


class DHCPTemplate:
    """A tagged client message of constant length, into which identity, xid and addresses are patched."""

    def __init__(self, frame: bytes) -> None:
        """frame: a tagged DHCP message whose client identifier (option 61) has CLIENT_ID_BYTES."""
        places = _option_places(frame[_BOOTP + dhcp.OPTIONS_AT :])
        options = _BOOTP + dhcp.OPTIONS_AT
        self._client_id = options + places[dhcp_options.CLIENT_ID]
        self._server_id = options + places.get(dhcp_options.SERVER_ID, -options)
        self._requested = options + places.get(dhcp_options.REQUESTED_ADDRESS, -options)
        self._frame = frame
        self._slice()

    def _slice(self) -> None:
        """Cut the message at its variable fields, and compute the checksum of the constant parts."""
        frame, end = self._frame, self._client_id + CLIENT_ID_BYTES
        self._tpid = frame[12:14]
        self._to_checksum = frame[16:_UDP_CHECKSUM]
        self._to_xid = frame[_UDP_CHECKSUM + 2 : _XID]
        self._to_chaddr = frame[_SECS + 2 : _CHADDR]
        self._to_client_id = frame[_CHADDR + 6 : self._client_id]
        self._tail = frame[end:]
        blank = bytearray(frame)
        for field in (
            slice(_UDP_CHECKSUM, _UDP_CHECKSUM + 2),
            slice(_XID, _SECS + 2),
            slice(_CHADDR, _CHADDR + 6),
            slice(self._client_id, end),
        ):
            blank[field] = bytes(field.stop - field.start)
        pseudo = frame[_IP + 12 : _IP + 20] + bytes((0, ipv4.PROTOCOL_UDP)) + frame[_UDP + 4 : _UDP + 6]
        self._sum = 0xFFFF - ipv4.checksum(pseudo + blank[_UDP:])
        # The octets of a field that is not aligned to 16-bit words count in the other half of their word.
        self._client_id_weight = _weight(end)
        self._requested_weight = _weight(self._requested)
        self._server_id_weight = _weight(self._server_id)

    def render(self, *, station: Station, xid: bytes, secs: int, added_sum: int = 0) -> bytes:
        """Return the message as a broadcast from a station without an address.

        secs: seconds since the exchange began. added_sum: the checksum's share of fields patched in later.
        """
        secs = min(secs, 0xFFFF)
        total = (
            self._sum
            + int.from_bytes(xid, "big")
            + secs
            + station.mac_sum
            + station.client_id_sum * self._client_id_weight
            + added_sum
        ) % 0xFFFF
        # The result is never 0, which would mean that there is no checksum (RFC 768).
        return b"".join(
            (
                ethernet.BROADCAST,
                station.mac,
                self._tpid,
                station.tag,
                self._to_checksum,
                (0xFFFF - total).to_bytes(2, "big"),
                self._to_xid,
                xid,
                secs.to_bytes(2, "big"),
                self._to_chaddr,
                station.mac,
                self._to_client_id,
                station.client_id,
                self._tail,
            )
        )

    def render_with_address(
        self, *, station: Station, xid: bytes, secs: int, address: int, server: int
    ) -> bytes:
        """Return a broadcast message that names an address (option 50) and a server (option 54)."""
        added_sum = address * self._requested_weight + server * self._server_id_weight
        frame = bytearray(self.render(station=station, xid=xid, secs=secs, added_sum=added_sum))
        frame[self._requested : self._requested + 4] = address.to_bytes(4, "big")
        frame[self._server_id : self._server_id + 4] = server.to_bytes(4, "big")
        return bytes(frame)

    def render_release(
        self, *, station: Station, xid: bytes, address: int, server: int, server_mac: bytes
    ) -> bytes:
        """Return a unicast message that releases the address (RFC 2131 section 4.4.4)."""
        # Each counts in the message and in the pseudo header, where it replaces the template's 0.0.0.1.
        added_sum = 2 * address + server * self._server_id_weight + server - 2
        frame = bytearray(self.render(station=station, xid=xid, secs=0, added_sum=added_sum))
        frame[: ethernet.MAC_BYTES] = server_mac
        frame[_IP + 12 : _IP + 16] = frame[_CIADDR : _CIADDR + 4] = address.to_bytes(4, "big")
        frame[_IP + 16 : _IP + 20] = frame[self._server_id : self._server_id + 4] = server.to_bytes(4, "big")
        frame[_IP + 10 : _IP + 12] = b"\0\0"
        frame[_IP + 10 : _IP + 12] = ipv4.checksum(frame[_IP:_UDP]).to_bytes(2, "big")
        return bytes(frame)


def _weight(at: int) -> int:
    """Return the checksum weight of a field by the offset of its end, or, for whole words, of its start."""
    return 256 if (at - _UDP) % 2 else 1


def _option_places(field: bytes) -> dict[int, int]:
    """Return the offset of each option's value in a field that is known to be well-formed."""
    places: dict[int, int] = {}
    at = 0
    while at < len(field) and field[at] != dhcp_options.END:
        if field[at] == dhcp_options.PAD:
            at += 1
            continue
        places[field[at]] = at + 2
        at += 2 + field[at + 1]
    return places
