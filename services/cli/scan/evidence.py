"""The frames of `nadroute scan`: printed with --debug, saved with --pcap."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from services.cli.failures import plain_errors, usage_error
from services.cli.scan.summary import count
from services.cli.terminal import plain
from services.runtime.process.clock import SystemClock

if TYPE_CHECKING:
    from services.prober.scan.evidence import Evidence, Recorded


@contextmanager
def recording(*, interface: str, debug: int | None, pcap: Path | None) -> "Iterator[Evidence | None]":
    """Record frames while the block lasts; yields None where neither is asked for.

    debug: the VLAN whose frames are printed on standard error. pcap: the file for all frames.
    """
    if debug is None and pcap is None:
        yield None
        return
    with plain_errors():
        from services.prober.scan.capture_file import CaptureFile
        from services.prober.scan.evidence import Evidence, FramePrinter
    keepers: list[Callable[[Recorded], None]] = []
    finish: list[Callable[[], None]] = []
    with ExitStack() as stack:
        if pcap is not None:
            try:
                file = pcap.open("wb")
                stack.callback(_close, file)
                capture = CaptureFile(file, interface=interface)
            except OSError as error:
                raise usage_error(
                    f"--pcap={str(pcap)!r}: {error.strerror}; expected a file to write"
                ) from None
            keepers.append(capture.keep)
            finish.append(capture.finish)
        if debug is not None:
            if find_spec("scapy") is None:
                _write("frames are printed in hexadecimal: to dissect them, pip install 'nadroute[dissect]'")
            printer = FramePrinter(debug, write=_write, began=SystemClock().now())
            keepers.append(printer.keep)
            finish.append(printer.finish)
        evidence = Evidence(keepers, finish=finish)
        try:
            yield evidence
        finally:
            evidence.close()
            _report_losses(evidence)


def _close(file: BinaryIO) -> None:
    # After a failed write, which has been reported, closing fails as well.
    with suppress(OSError):
        file.close()


def _write(line: str) -> None:
    # The contents of a frame come from others.
    click.echo(plain(line), err=True)


def _report_losses(evidence: "Evidence") -> None:
    if evidence.failure is not None:
        click.echo(f"not all frames were saved: {evidence.failure.strerror}", err=True)
    if evidence.lost:
        click.echo(
            f"{count(evidence.lost, 'frame')} not saved: they came faster than they could be written",
            err=True,
        )
