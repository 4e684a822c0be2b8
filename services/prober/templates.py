"""The one place where scapy is: it makes the templates that the hot path patches, and reads evidence.

Importing scapy takes a good part of a second and 60 MB, and building one DISCOVER with it 850 µs. So what it
makes is kept in services.prober.frozen, written by `python -m services.prober.templates`; a test compares.
"""

import logging
import sys
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from services.prober import frozen
from services.prober.codecs import dhcp_options
from services.prober.codecs.arp import RequestTemplate
from services.prober.codecs.dhcp import CLIENT_PORT, MAX_MESSAGE_BYTES, MIN_MESSAGE_BYTES, SERVER_PORT
from services.prober.codecs.dhcp_client import ClientTemplate
from services.prober.codecs.ethernet import MIN_FRAME_BYTES, TAG_BYTES
from services.prober.codecs.icmp import EchoTemplate, FrameTemplate
from services.prober.codecs.station import CLIENT_ID_BYTES

VENDOR_CLASS = b"nadroute"
"""Option 60: lets the one who runs a DHCP server see who asks, and leave it out."""
ECHO_PAYLOAD_BYTES = 56
"""What ping sends by default."""
_BOOTP_BEFORE_OPTIONS = 240
_BROADCAST_FLAG = 0x8000
_SOMEBODY = "02:00:00:00:00:00"
_LINE_BYTES = 48


@dataclass(frozen=True, slots=True)
class Templates:
    """All that the engine sends."""

    discover: ClientTemplate
    request: ClientTemplate
    decline: ClientTemplate
    release: ClientTemplate
    arp: RequestTemplate
    echo: EchoTemplate
    echo_frame: FrameTemplate


@cache
def load() -> Templates:
    """The templates, from what scapy made of them before."""
    frames = frozen.FRAMES
    echo = EchoTemplate(frames["echo"])
    return Templates(
        discover=ClientTemplate(frames["discover"]),
        request=ClientTemplate(frames["request"]),
        decline=ClientTemplate(frames["decline"]),
        release=ClientTemplate(frames["release"]),
        arp=RequestTemplate(frames["arp"]),
        echo=echo,
        echo_frame=FrameTemplate(frames["echo_frame"], echo=echo),
    )


def build() -> dict[str, bytes]:
    """The templates' bytes by name, made by scapy; the first call in a process imports it."""
    _import_scapy()
    from scapy.layers.inet import ICMP, IP, UDP
    from scapy.layers.l2 import ARP, Dot1Q, Ether
    from scapy.packet import Raw
    from scapy.packet import raw as to_bytes

    tagged = Ether(src=_SOMEBODY, dst="ff:ff:ff:ff:ff:ff") / Dot1Q(vlan=1)
    ports = UDP(sport=CLIENT_PORT, dport=SERVER_PORT)
    broadcast = tagged / IP(src="0.0.0.0", dst="255.255.255.255") / ports
    unicast = tagged / IP(src="0.0.0.1", dst="0.0.0.1") / ports
    arp = tagged / ARP(
        op="who-has", hwsrc=_SOMEBODY, psrc="0.0.0.0", hwdst="00:00:00:00:00:00", pdst="0.0.0.0"
    )
    echo = ICMP(type="echo-request") / Raw(bytes(ECHO_PAYLOAD_BYTES))
    return {
        "discover": to_bytes(broadcast / Raw(_message("discover"))),
        "request": to_bytes(broadcast / Raw(_message("request"))),
        "decline": to_bytes(broadcast / Raw(_message("decline"))),
        "release": to_bytes(unicast / Raw(_message("release"))),
        "arp": to_bytes(arp).ljust(MIN_FRAME_BYTES + TAG_BYTES, b"\0"),
        "echo": to_bytes(echo),
        "echo_frame": to_bytes(tagged / IP(src="0.0.0.0", dst="0.0.0.0") / echo),
    }


def _message(kind: str) -> bytes:
    """A BOOTP message of the shortest length that every relay passes on."""
    from scapy.layers.dhcp import BOOTP, DHCP
    from scapy.packet import raw as to_bytes

    asks = kind in ("discover", "request")
    options: list[object] = [("message-type", kind), ("client_id", bytes(CLIENT_ID_BYTES))]
    if asks:
        options += [("vendor_class_id", VENDOR_CLASS), ("max_dhcp_size", MAX_MESSAGE_BYTES)]
    if kind in ("request", "decline"):
        options.append(("requested_addr", "0.0.0.0"))
    if kind != "discover":
        options.append(("server_id", "0.0.0.0"))
    if asks:
        # 121 before 3, as RFC 3442 wants it. No rapid commit (80): dnsmasq would lease at once.
        wanted = [dhcp_options.SUBNET_MASK, dhcp_options.CLASSLESS_ROUTES, dhcp_options.ROUTER]
        options.append(("param_req_list", [*wanted, dhcp_options.LEASE_TIME, dhcp_options.SERVER_ID]))
    header = BOOTP(op="BOOTREQUEST", chaddr=b"", flags=_BROADCAST_FLAG if asks else 0)
    message: bytes = to_bytes(header / DHCP(options=[*options, "end"]))
    assert message[:_BOOTP_BEFORE_OPTIONS].endswith(b"\x63\x82\x53\x63")
    return message.ljust(MIN_MESSAGE_BYTES, b"\0")


def dissect(frame: bytes, *, vlan: int | None = None) -> str:
    """A frame as people read it; vlan: the tag that the kernel took off it, if it did."""
    _import_scapy()
    from scapy.layers.l2 import Ether
    from scapy.packet import Packet

    packet: Packet = Ether(frame)
    text = str(packet.show(dump=True))
    return text if vlan is None else f"802.1Q tag: VLAN {vlan}\n{text}"


def _import_scapy() -> None:
    with warnings.catch_warnings():
        # Its optional dependencies announce deprecations that are not ours to mend.
        warnings.simplefilter("ignore")
        import scapy.layers.dhcp
        import scapy.layers.inet
        import scapy.layers.l2  # noqa: F401 - the others need it registered
    logging.getLogger("scapy").setLevel(logging.ERROR)


def _module(frames: dict[str, bytes]) -> str:
    """The source of services.prober.frozen."""
    lines = [
        '"""The templates as scapy made them: written by `python -m services.prober.templates`."""',
        "",
        "FRAMES: dict[str, bytes] = {",
    ]
    for name, frame in frames.items():
        lines.append(f'    "{name}": bytes.fromhex(')
        lines += [
            f'        "{frame[at : at + _LINE_BYTES].hex()}"' for at in range(0, len(frame), _LINE_BYTES)
        ]
        lines.append("    ),")
    return "\n".join([*lines, "}", ""])


if __name__ == "__main__":
    Path(sys.modules["services.prober.frozen"].__file__ or "").write_text(_module(build()))
