"""Limits that the prober's engine shares with the messages, apart from their models: it loads no pydantic."""

MAX_TARGETS = 64
"""Targets of a segment in a request, and results of targets in a verdict."""
MAX_SERVERS = 16
"""Offers in a verdict."""
MAX_ANSWERS = 4
"""MAC addresses that are told to have answered one ARP question."""
REPORT_WITHIN_S = 25.0
"""How long a host may take to report after it was asked. From then on it counts as not heard."""
MAX_REPORT_WITHIN_S = 600.0
WIDEST_OWN_PREFIX = 8
"""Of a network that a host may call its own: a wider one is no interface's, and would cover most gateways."""
FRAMES_PER_S = 100
"""What a router should have to answer a second, at most: switches police ARP and DHCP at some 300 packets."""
MAX_TOLD_CHARACTERS = 64
"""Of a text that a switch sends by LLDP."""
MAX_VLAN_RANGES = 160
"""Of the VLANs that a switch advertises by LLDP: more than fit into a frame, unless each is alone."""
