"""This host's own IPv4 addresses, as the kernel routes them: no gateway of a network can be one of them."""

import re
from ipaddress import IPv4Address
from pathlib import Path

FIB_TRIE = Path("/proc/net/fib_trie")
"""The kernel's routing table of this network namespace (man 5 proc_net)."""
_LOCAL = re.compile(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL$", re.MULTILINE)


def own_addresses(path: Path = FIB_TRIE) -> tuple[IPv4Address, ...]:
    """All of them but loopback's, in order; none where the kernel does not tell."""
    try:
        text = path.read_text()
    except OSError:
        return ()
    found = {IPv4Address(address) for address in _LOCAL.findall(text)}
    return tuple(sorted(address for address in found if not address.is_loopback))
