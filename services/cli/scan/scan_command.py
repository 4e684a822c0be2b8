"""`nadroute scan`: VLANs probed from this machine by the engine alone."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import click

from services.cli.failures import told_plainly, wrong
from services.cli.options.vlans import HIGHEST, LOWEST, VlanSet, read_vlans, write_vlans
from services.cli.outputs import Output, output_option, print_data, progress_bar
from services.cli.scan.evidence import recording
from services.cli.scan.summary import Summary, summarize
from services.cli.scan.table import print_table
from services.contract.outcomes import Depth, Fault
from services.runtime import logs
from services.view.durations import Duration

ADVICE = {
    Fault.UPLINK_MISSING: "no such interface; expected one of those that `ip link` shows here",
    Fault.UPLINK_DOWN: "the interface is down; bring it up (`ip link set {interface} up`), or plug it in",
    Fault.UPLINK_FLAPPING: "the interface goes up and down; look at its cable, its bond, its switch port",
    Fault.NO_PERMISSION: "no permission to open a packet socket; expected root or CAP_NET_RAW (try `sudo`)",
    Fault.SEND_FAILED: "frames cannot be sent on it; expected an Ethernet interface that is up",
    Fault.STOPPED: "the scan was stopped before it was done",
}


class Address(click.ParamType[IPv4Address]):
    """A click type: an IPv4 address."""

    name = "address"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> IPv4Address:
        try:
            return IPv4Address(str(value))
        except ValueError:
            self.fail(f"{value!r}: expected an IPv4 address", param, ctx)


class SourceAddress(click.ParamType[tuple[int, IPv4Address]]):
    """A click type: VLAN=ADDRESS."""

    name = "vlan=address"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, IPv4Address]:
        vlan, _, address = str(value).partition("=")
        try:
            (number,) = read_vlans(vlan)
            return number, IPv4Address(address)
        except ValueError:
            self.fail(f"{value!r}: expected a VLAN and an IPv4 address, such as 7=10.0.112.5", param, ctx)


@click.command()
@click.option(
    "-i", "--interface", required=True, metavar="IFACE", help="A trunk port: a NIC, a bond or a veth."
)
@click.option(
    "--vlans",
    type=VlanSet(),
    metavar="VLANS",
    help="Such as 7,10-20.  [default: 1-4094; with --debug its VLAN alone]",
)
@click.option(
    "--deadline",
    type=Duration(),
    default="12s",
    show_default=True,
    help="How long to wait for an offer, such as 500ms or 12s. Servers probe an address before they offer "
    "it: below 12s healthy networks look dead.",
)
@click.option(
    "--rate",
    type=click.IntRange(min=0),
    default=1_000,
    show_default=True,
    help="VLANs begun in a second; 0 for no limit.",
)
@click.option(
    "--depth",
    type=click.Choice([depth.value for depth in Depth]),
    default=Depth.OFFER.value,
    show_default=True,
    help="lease also takes an address, checks that nobody has it, asks the gateway from it by ICMP, and "
    "gives it back.",
)
@click.option(
    "--source",
    "sources",
    multiple=True,
    type=SourceAddress(),
    metavar="VLAN=ADDRESS",
    help="An address of this machine's own on a VLAN, to ask its gateway from by ICMP. May be repeated.",
)
@click.option(
    "--allow-server",
    "allowed",
    multiple=True,
    type=Address(),
    metavar="ADDRESS",
    help="A DHCP server that is no rogue; all others are. May be repeated.  [default: the one that counts]",
)
@click.option(
    "--arp-inspection",
    is_flag=True,
    help="Send at most 10 ARP messages a second: for switches that inspect ARP and shut a port at more.",
)
@click.option(
    "--one-mac",
    is_flag=True,
    help="The same MAC address on all VLANs: for switches that limit the addresses on a port.",
)
@click.option(
    "--debug",
    type=click.IntRange(LOWEST, HIGHEST),
    metavar="VLAN",
    help="Tell the frames of one VLAN on standard error as they go, with times.",
)
@click.option(
    "--pcap",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Keep all frames that were sent and received, for Wireshark (pcapng).",
)
@click.option(
    "--summary",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the numbers that a table ends with (counts, and how long answers took) as JSON.",
)
@output_option
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
    """Ask each VLAN for DHCP, and the gateway that is offered whether it answers.

    Needs root or CAP_NET_RAW, and neither Redis nor Kubernetes. Takes no lease and claims no address, unless
    --depth or --source say so.
    """
    logs.configure(level="error", log_format="auto", service="scan")
    wanted = _wanted(vlans, debug)
    with told_plainly():
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
            raise wrong(f"--interface={interface!r}: {error.fault}: {advice}") from None
    numbers = summarize(results)
    if output == "table":
        print_table(results)
        for line in numbers.lines():
            click.echo(line, err=True)
    else:
        print_data([result.to_json() for result in results], output)
    dropped = numbers.dropped_frames
    if dropped:
        advice = f"try a lower --rate than {rate}" if rate else "try it with a --rate"
        click.echo(f"this machine dropped {dropped} frames or more: {advice}", err=True)
    if summary is not None:
        _write(summary, numbers)


def _wanted(vlans: list[int] | None, debug: int | None) -> list[int]:
    if vlans is None:
        return list(range(LOWEST, HIGHEST + 1)) if debug is None else [debug]
    if debug is not None and debug not in vlans:
        raise wrong(f"--debug={debug}: not one of --vlans={write_vlans(vlans)}; expected one that is scanned")
    return vlans


def _write(path: Path, numbers: Summary) -> None:
    try:
        path.write_text(json.dumps(numbers.to_json(), indent=2) + "\n")
    except OSError as error:
        raise wrong(f"--summary={str(path)!r}: {error.strerror}; expected a file to write") from None


@contextmanager
def _progress(interface: str, *, vlans: int, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar; none where it is to be quiet, because something else is told there."""
    if quiet:
        yield None
        return
    with progress_bar() as progress:
        bar = progress.add_task(f"scanning {interface}", total=vlans)
        yield lambda done, total: progress.update(bar, completed=done, total=total)
