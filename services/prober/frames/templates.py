"""Templates of the frames that the engine sends: built once, and patched for each frame.

scapy takes 850 µs to build one DHCPDISCOVER. So its output is kept as bytes in template_bytes.py, which
`python -m scripts.build_templates` writes; a test compares the two.
"""

from dataclasses import dataclass
from functools import cache

from services.prober.frames import template_bytes
from services.prober.frames.arp import ARPTemplate
from services.prober.frames.dhcp_client import DHCPTemplate
from services.prober.frames.icmp import EchoFrameTemplate, EchoTemplate


@dataclass(frozen=True, slots=True)
class Templates:
    """One template for each kind of frame."""

    discover: DHCPTemplate
    request: DHCPTemplate
    decline: DHCPTemplate
    release: DHCPTemplate
    arp: ARPTemplate
    echo: EchoTemplate
    echo_frame: EchoFrameTemplate


@cache
def load() -> Templates:
    """Return the templates, parsed once per process."""
    frames = template_bytes.FRAMES
    echo = EchoTemplate(frames["echo"])
    return Templates(
        discover=DHCPTemplate(frames["discover"]),
        request=DHCPTemplate(frames["request"]),
        decline=DHCPTemplate(frames["decline"]),
        release=DHCPTemplate(frames["release"]),
        arp=ARPTemplate(frames["arp"]),
        echo=echo,
        echo_frame=EchoFrameTemplate(frames["echo_frame"], echo=echo),
    )
