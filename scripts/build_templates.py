"""Build the frame templates with scapy: python -m scripts.build_templates

Writes services/prober/frames/template_bytes.py. The services read only the result, so no process that probes
imports scapy.
"""

import warnings
from pathlib import Path

from services.prober.frames import dhcp_options
from services.prober.frames.dhcp import CLIENT_PORT, MAX_MESSAGE_BYTES
from services.prober.frames.ethernet import CLIENT_ID_BYTES, TAG_BYTES

TEMPLATE_BYTES = Path(__file__).resolve().parent.parent / "services/prober/frames/template_bytes.py"
VENDOR_CLASS = b"nadroute"
"""Option 60: lets the operator of a DHCP server recognize or exclude our requests."""
ECHO_PAYLOAD_BYTES = 56
"""The default of ping(8)."""
SERVER_PORT = 67
MIN_MESSAGE_BYTES = 300
"""The minimum that BOOTP relays and servers accept (RFC 1542 section 2.1)."""
MIN_FRAME_BYTES = 60
"""The shortest frame without its tag and its checksum (IEEE 802.3 clause 4)."""
_BOOTP_BEFORE_OPTIONS = 240
_BROADCAST_FLAG = 0x8000
_PLACEHOLDER_MAC = "02:00:00:00:00:00"
_BYTES_PER_LINE = 48


def build() -> dict[str, bytes]:
    """Return the bytes of each template by name."""
    with warnings.catch_warnings():
        # scapy's optional dependencies raise deprecation warnings.
        warnings.simplefilter("ignore")
        from scapy.layers.inet import ICMP, IP, UDP
        from scapy.layers.l2 import ARP, Dot1Q, Ether
        from scapy.packet import Raw
        from scapy.packet import raw as to_bytes

    tagged = Ether(src=_PLACEHOLDER_MAC, dst="ff:ff:ff:ff:ff:ff") / Dot1Q(vlan=1)
    ports = UDP(sport=CLIENT_PORT, dport=SERVER_PORT)
    broadcast = tagged / IP(src="0.0.0.0", dst="255.255.255.255") / ports
    unicast = tagged / IP(src="0.0.0.1", dst="0.0.0.1") / ports
    arp = tagged / ARP(
        op="who-has", hwsrc=_PLACEHOLDER_MAC, psrc="0.0.0.0", hwdst="00:00:00:00:00:00", pdst="0.0.0.0"
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
    """Build a BOOTP message, padded to the minimum length that every relay forwards."""
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
        # 121 before 3, as RFC 3442 requires. No rapid commit (80): dnsmasq would lease at once.
        wanted = [dhcp_options.SUBNET_MASK, dhcp_options.CLASSLESS_ROUTES, dhcp_options.ROUTER]
        options.append(("param_req_list", [*wanted, dhcp_options.LEASE_TIME, dhcp_options.SERVER_ID]))
    header = BOOTP(op="BOOTREQUEST", chaddr=b"", flags=_BROADCAST_FLAG if asks else 0)
    message: bytes = to_bytes(header / DHCP(options=[*options, "end"]))
    assert message[:_BOOTP_BEFORE_OPTIONS].endswith(b"\x63\x82\x53\x63")
    return message.ljust(MIN_MESSAGE_BYTES, b"\0")


def _module(frames: dict[str, bytes]) -> str:
    """Return the source of template_bytes.py."""
    lines = [
        '"""Frame templates as scapy built them; written by `python -m scripts.build_templates`."""',
        "",
        "FRAMES: dict[str, bytes] = {",
    ]
    for name, frame in frames.items():
        lines.append(f'    "{name}": bytes.fromhex(')
        lines += [
            f'        "{frame[at : at + _BYTES_PER_LINE].hex()}"'
            for at in range(0, len(frame), _BYTES_PER_LINE)
        ]
        lines.append("    ),")
    return "\n".join([*lines, "}", ""])


if __name__ == "__main__":
    TEMPLATE_BYTES.write_text(_module(build()))
