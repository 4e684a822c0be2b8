"""`nadroute doctor`: each check one line, with what to do."""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from services.cli.doctor.bundle import STDOUT, known_secrets, settings_in_force, write_bundle
from services.cli.failures import usage_error
from services.cli.options.client import ClientSettings, client_options, load_client_settings
from services.cli.options.grouping import GroupedCommand
from services.cli.outputs import Output, output_option, print_data
from services.cli.tables import GAP, print_lines
from services.cli.terminal import plain, stderr_console, stdout_console
from services.runtime.process.clock import SystemClock
from services.version import __version__
from services.view.doctor.bundle_contents import bundle_documents, hide_secrets
from services.view.doctor.cluster_gathering import examine_cluster
from services.view.doctor.diagnosis import diagnose
from services.view.doctor.facts import Facts
from services.view.doctor.findings import Finding, Level, Unknown, has_failed
from services.view.doctor.redis_gathering import RedisExamination
from services.view.documents import finding_document
from services.view.host_checks import RedisReader, RedisView

if TYPE_CHECKING:
    from rich.console import Console

FAILED = 1
NARROWEST = 30
"""Columns that a text gets, however narrow the terminal is."""
SIGNS = {
    Level.OK: ("✔", "green"),
    Level.WARNING: ("!", "yellow"),
    Level.FAILED: ("✘", "red"),
    Level.CANNOT_TELL: ("?", "magenta"),
}


@click.command(cls=GroupedCommand)
@click.option(
    "--namespace",
    default="nadroute",
    show_default=True,
    metavar="NAMESPACE",
    help="Where nadroute runs in the cluster.",
)
@click.option(
    "--release",
    default="nadroute",
    show_default=True,
    metavar="NAME",
    help="What the names of its ServiceAccounts and Leases begin with.",
)
@click.option(
    "--bundle",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a tar.gz for support, without secrets; - is standard output.",
)
@click.option(
    "--annotations", "with_annotations", is_flag=True, help="Add the networks' annotations to the bundle."
)
@output_option
@client_options(kubernetes=True)
def doctor(
    namespace: str,
    release: str,
    bundle: Path | None,
    with_annotations: bool,
    output: Output,
    **flags: object,
) -> int:
    """Check the whole site, and say what to do: Redis, hosts, rights, versions, queues, monitoring.

    \b
    ok           all is well
    warning      it works, and something is not as it should be
    failed       something does not work; the exit code is 1
    cannot tell  what the check needs could not be read; without Kubernetes, say
    """
    if with_annotations and bundle is None:
        raise usage_error("--annotations: expected with --bundle FILE, to which it adds them")
    settings = load_client_settings(flags)
    facts = gather(settings, namespace=namespace, release=release)
    secrets = known_secrets(settings)
    # Whoever reaches Redis can have put a secret into what is quoted.
    findings = [
        replace(each, text=hide_secrets(each.text, secrets)) for each in diagnose(facts, settings.policy)
    ]
    if bundle is not None:
        documents = bundle_documents(
            facts,
            findings,
            settings.policy,
            settings=settings_in_force(),
            with_annotations=with_annotations,
        )
        write_bundle(bundle, documents, secrets)
    if bundle == STDOUT:
        print_findings(stderr_console(), findings)
    elif output != "table":
        print_data([finding_document(finding) for finding in findings], output)
    else:
        print_findings(stdout_console(), findings)
    if bundle not in (None, STDOUT):
        click.echo(plain(f"written to {bundle}; README.txt in it says what it holds"), err=True)
    return FAILED if has_failed(findings) else 0


def gather(settings: ClientSettings, *, namespace: str, release: str) -> Facts:
    """Read everything, changing nothing; raises no error of Redis or Kubernetes."""
    clock = SystemClock()
    in_redis = RedisExamination(settings.redis_address, clock).facts()
    cluster = examine_cluster(settings, namespace=namespace, release=release)
    view = RedisView(trouble=in_redis.trouble)
    if in_redis.trouble is None and not isinstance(cluster.networks, Unknown):
        with closing(RedisReader(settings.redis_address)) as reader:
            view = reader.read(cluster.networks, settings.policy)
    return Facts(__version__, in_redis, cluster, view)


def print_findings(console: "Console", findings: Sequence[Finding]) -> None:
    """Print a line for each check, what to do below it, and how many came out how."""
    from rich.text import Text

    counts = Counter(finding.level for finding in findings)
    findings = _merged(findings)
    levels, checks = (
        max(len(str(word)) for word in words) for words in zip(*map(_head, findings), strict=True)
    )
    indent = len(SIGNS[Level.OK][0]) + 1 + levels + GAP + checks + GAP
    width = max(console.width - indent, NARROWEST)
    lines = []
    for finding in findings:
        sign, style = SIGNS[finding.level]
        head = Text.assemble(
            (f"{sign} {finding.level:{levels}}", style), f"{'':{GAP}}{finding.check:{checks}}"
        )
        told = [(text, "") for text in wrap(plain(finding.text), width)]
        told += [(text, "bold") for text in wrap(plain(finding.todo), width - 2)]
        for number, (text, emphasis) in enumerate(told):
            begin = head if number == 0 else Text(" " * (indent - GAP))
            mark = "  " if emphasis else ""
            lines.append(Text.assemble(begin, " " * GAP, mark, (text, emphasis)))
    lines += [Text(), Text(", ".join(f"{counts[level]} {level}" for level in Level if counts[level]))]
    print_lines(console, lines)


def _merged(findings: Sequence[Finding]) -> list[Finding]:
    """Return one finding for checks in a row that cannot be told for the same reason: it hides no failure."""
    merged: list[Finding] = []
    for (level, text, todo), group in groupby(findings, key=lambda each: (each.level, each.text, each.todo)):
        same = list(group)
        if level is Level.CANNOT_TELL and len(same) > 1:
            names = ", ".join(each.check for each in same)
            same = [Finding(f"{len(same)} checks", level, f"{text}: {names}", todo)]
        merged += same
    return merged


def _head(finding: Finding) -> tuple[str, str]:
    return finding.level, finding.check
