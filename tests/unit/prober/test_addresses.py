"""Which addresses are this host's own."""

import socket
from ipaddress import IPv4Address
from pathlib import Path

from services.prober.addresses import own_addresses

FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.255.0.0/24 2 0 2
        |-- 10.255.0.0
           /24 link UNICAST
        |-- 10.255.0.11
           /32 host LOCAL
        |-- 10.255.0.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
Local:
        |-- 10.255.0.11
           /32 host LOCAL
        |-- 10.1.2.3
           /32 host LOCAL
"""


def test_local_addresses_are_told_once_without_loopback(tmp_path: Path) -> None:
    """Broadcast addresses and subnets are not among them."""
    path = tmp_path / "fib_trie"
    path.write_text(FIB_TRIE)
    assert own_addresses(path) == (IPv4Address("10.1.2.3"), IPv4Address("10.255.0.11"))


def test_a_kernel_that_does_not_tell_is_no_error(tmp_path: Path) -> None:
    """Then none are known."""
    assert own_addresses(tmp_path / "nothing") == ()


def test_this_machine_knows_its_own() -> None:
    """Each can be bound to."""
    for address in own_addresses():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
            bound.bind((str(address), 0))
