"""Templates of the frames that the engine sends; each is patched and never built anew.

scapy takes 850 µs to build one DISCOVER. So its output is kept as bytes in template_bytes.py, written by
`python -m scripts.build_templates`; a test compares the two.
"""

from dataclasses import dataclass
from functools import cache

from services.prober.frames import template_bytes
from services.prober.frames.arp import RequestTemplate
from services.prober.frames.dhcp_client import ClientTemplate
from services.prober.frames.icmp import EchoTemplate, FrameTemplate


@dataclass(frozen=True, slots=True)
class Templates:
    """One template for each kind of frame."""

    discover: ClientTemplate
    request: ClientTemplate
    decline: ClientTemplate
    release: ClientTemplate
    arp: RequestTemplate
    echo: EchoTemplate
    echo_frame: FrameTemplate


@cache
def load() -> Templates:
    """Return the templates, parsed once per process."""
    frames = template_bytes.FRAMES
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
