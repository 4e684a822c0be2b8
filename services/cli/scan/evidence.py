"""What `nadroute scan` shows of the wire: frames told as they go, and kept in a file."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from services.cli.failures import told_plainly, wrong
from services.cli.outputs import plain
from services.runtime.clock import SystemClock

if TYPE_CHECKING:
    from services.prober.scan.evidence import Evidence, Recorded


@contextmanager
def recording(*, interface: str, debug: int | None, pcap: Path | None) -> "Iterator[Evidence | None]":
    """Record what goes over the wire meanwhile; None where nothing was asked for.

    debug: the VLAN whose frames are told on standard error. pcap: the file to keep all frames in.
    """
    if debug is None and pcap is None:
        yield None
        return
    with told_plainly():
        from services.prober.scan.capture_file import CaptureFile
        from services.prober.scan.evidence import Evidence, Narrator
    keepers: list[Callable[[Recorded], None]] = []
    finish: list[Callable[[], None]] = []
    with ExitStack() as stack:
        if pcap is not None:
            try:
                file = pcap.open("wb")
                stack.callback(_close, file)
                capture = CaptureFile(file, interface=interface)
            except OSError as error:
                raise wrong(f"--pcap={str(pcap)!r}: {error.strerror}; expected a file to write") from None
            keepers.append(capture.keep)
            finish.append(capture.finish)
        if debug is not None:
            keepers.append(Narrator(debug, say=_say, began=SystemClock().now()).keep)
        evidence = Evidence(keepers, finish=finish)
        try:
            yield evidence
        finally:
            evidence.close()
            _tell_what_is_missing(evidence)


def _close(file: BinaryIO) -> None:
    # It fails again where a write has failed, and that is told already.
    with suppress(OSError):
        file.close()


def _say(text: str) -> None:
    # What is in a frame was written by others, line breaks apart.
    click.echo("\n".join(map(plain, text.splitlines())), err=True)


def _tell_what_is_missing(evidence: "Evidence") -> None:
    if evidence.failure is not None:
        click.echo(f"not all frames were kept: {evidence.failure.strerror}", err=True)
    if evidence.lost:
        click.echo(f"{evidence.lost} frames were not kept: they came faster than they could be", err=True)
