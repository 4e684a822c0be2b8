"""`nadroute scan`: VLANs probed from this machine by the engine, without queues."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, TypeVar

import click

from services.cli.failures import plain_errors, usage_error
from services.cli.options.grouping import GroupedCommand, GroupedOption
from services.cli.options.value_types import (
    ADDRESS,
    DURATION,
    HIGHEST_VLAN,
    LOWEST_VLAN,
    SOURCE_ADDRESS,
    VLANS,
)
from services.cli.outputs import Output, output_option, print_data
from services.cli.scan.evidence import recording
from services.cli.scan.summary import Summary, count, summarize
from services.cli.terminal import progress_bar
from services.contract.outcomes import Depth, Fault
from services.contract.vlans import write_vlans
from services.view.probe_documents import scanned_document

ADVICE = {
    Fault.UPLINK_MISSING: "no such interface; expected one of those that `ip link` shows here",
    Fault.UPLINK_DOWN: "the interface is down; bring it up (`ip link set {interface} up`), or plug it in",
    Fault.UPLINK_FLAPPING: "the interface goes up and down; check its cable, bond and switch port",
    Fault.NO_PERMISSION: "no permission to open a packet socket; expected root or CAP_NET_RAW (try `sudo`)",
    Fault.SEND_FAILED: "frames cannot be sent on it; expected an Ethernet interface that is up",
    Fault.STOPPED: "the scan was interrupted",
}


STDOUT = Path("-")
Function = TypeVar("Function", bound=Callable[..., Any])


def _option(group: str, *names: str, **attributes: Any) -> Callable[[Function], Function]:
    return click.option(*names, cls=GroupedOption, group=group, **attributes)


@click.command(cls=GroupedCommand)
@click.option(
    "-i", "--interface", required=True, metavar="IFACE", help="A trunk port: a NIC, a bond or a veth."
)
@click.option(
    "--vlans",
    type=VLANS,
    metavar="VLANS",
    help="VLANs to scan, such as 7,10-20.  [default: 1-4094; with --debug its VLAN]",
)
@click.option(
    "--depth",
    type=click.Choice([depth.value for depth in Depth]),
    default=Depth.OFFER.value,
    show_default=True,
    help="offer takes no address; lease takes one, checks for conflicts, pings the gateway from it and "
    "releases it.",
)
@click.option(
    "--source",
    "sources",
    multiple=True,
    type=SOURCE_ADDRESS,
    metavar="VLAN=ADDRESS",
    help="An address of this machine on a VLAN, to ping its gateway from. May be repeated.",
)
@click.option(
    "--allow-server",
    "allowed",
    multiple=True,
    type=ADDRESS,
    metavar="ADDRESS",
    help="An expected DHCP server; all others are rogues. May be repeated.  [default: the server whose offer "
    "counts, and those that agree with it]",
)
@output_option
@_option(
    "Evidence",
    "--debug",
    type=click.IntRange(LOWEST_VLAN, HIGHEST_VLAN),
    metavar="VLAN",
    help="Print the frames of one VLAN on standard error, in time order.",
)
@_option(
    "Evidence",
    "--pcap",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Save all frames sent and received, for Wireshark (pcapng).",
)
@_option(
    "Evidence",
    "--summary",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Write the numbers below the table (counts and times) as JSON; - writes them to standard output in "
    "place of the table.",
)
@_option(
    "Tuning",
    "--deadline",
    type=DURATION,
    default="12s",
    show_default=True,
    help="How long to wait for an offer, such as 500ms or 12s. Servers probe an address before they offer "
    "it: below 12s healthy networks look dead.",
)
@_option(
    "Tuning",
    "--rate",
    type=click.IntRange(min=0),
    default=1_000,
    show_default=True,
    help="VLANs started per second; 0 sets no limit.",
)
@_option(
    "Tuning",
    "--arp-inspection",
    is_flag=True,
    help="Send at most 10 DHCP and ARP messages a second, for switches that count them and shut a port at "
    "more than 15. How long that takes is printed first.",
)
@_option(
    "Tuning",
    "--one-mac",
    is_flag=True,
    help="Use one MAC address on all VLANs, for switches that limit the addresses on a port.",
)
def scan(
    interface: str,
    vlans: list[int] | None,
    deadline: float,
    rate: int,
    depth: str,
    sources: tuple[tuple[int, IPv4Address], ...],
    allowed: tuple[IPv4Address, ...],
    arp_inspection: bool,
    one_mac: bool,
    debug: int | None,
    pcap: Path | None,
    summary: Path | None,
    output: Output,
) -> None:
    """Ask DHCP on each VLAN, and check whether the offered gateway answers.

    Needs root or CAP_NET_RAW, but neither Redis nor Kubernetes. Takes no lease and claims no address, except
    with --depth lease or --source.
    """
    wanted = _wanted(vlans, debug)
    if arp_inspection:
        tell_pace(len(wanted), rate=rate, is_leasing=depth == Depth.LEASE)
    if summary == STDOUT and output != "table":
        raise usage_error(f"--summary=-: expected without --output={output}: both write to standard output")
    with plain_errors():
        from services.prober.scan.scanning import ScanFailed
        from services.prober.scan.scanning import scan as scan_vlans
    with (
        recording(interface=interface, debug=debug, pcap=pcap) as evidence,
        _progress(interface, vlans=len(wanted), quiet=debug is not None) as progress,
    ):
        try:
            results = scan_vlans(
                interface,
                wanted,
                deadline_s=deadline,
                rate=float(rate) if rate else None,
                depth=Depth(depth),
                sources=dict(sources),
                arp_inspection=arp_inspection,
                one_mac=one_mac,
                allowed_servers=allowed,
                progress=progress,
                recorder=evidence,
            )
        except ScanFailed as error:
            advice = ADVICE[error.fault].format(interface=interface)
            raise usage_error(f"--interface={interface!r}: {error.fault}: {advice}") from None
    numbers = summarize(results)
    if summary == STDOUT:
        print_data(numbers.document(), "json")
    elif output == "table":
        # Only here: nothing else needs rich, which takes longer to import than probing 64 VLANs.
        from services.cli.scan.table import print_scan

        print_scan(results)
        for line in numbers.lines():
            click.echo(line, err=True)
    else:
        print_data([scanned_document(result) for result in results], output)
    dropped = numbers.dropped_frames
    if dropped:
        advice = f"try a lower --rate than {rate}" if rate else "try a --rate"
        click.echo(f"this machine dropped at least {count(dropped, 'frame')}: {advice}", err=True)
    if summary is not None and summary != STDOUT:
        _write(summary, numbers)


def tell_pace(vlans: int, *, rate: int, is_leasing: bool) -> None:
    """Say on standard error how long a scan at the pace of an inspected port takes."""
    from services.prober.engine.settings import EngineSettings

    settings = EngineSettings(start_rate=rate or None).for_inspected_ports()
    least_s, most_s = settings.paced_s(vlans, is_leasing=is_leasing)
    click.echo(
        f"at most {settings.port_rate:g} DHCP and ARP messages a second: {count(vlans, 'VLAN')} take some "
        f"{least_s:.0f} s, and up to {most_s:.0f} s where nothing answers",
        err=True,
    )


def _wanted(vlans: list[int] | None, debug: int | None) -> list[int]:
    """The VLANs to scan."""
    if vlans is None:
        return list(range(LOWEST_VLAN, HIGHEST_VLAN + 1)) if debug is None else [debug]
    if debug is not None and debug not in vlans:
        raise usage_error(f"--debug={debug}: expected one of --vlans={write_vlans(vlans)}")
    return vlans


def _write(path: Path, numbers: Summary) -> None:
    try:
        path.write_text(json.dumps(numbers.document(), indent=2) + "\n")
    except OSError as error:
        raise usage_error(f"--summary={str(path)!r}: {error.strerror}; expected a file to write") from None


@contextmanager
def _progress(interface: str, *, vlans: int, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar; none while frames are printed, nor without a terminal to draw it on."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    with progress_bar() as progress:
        bar = progress.add_task(f"scanning {interface}", total=vlans)
        yield lambda done, total: progress.update(bar, completed=done, total=total)
