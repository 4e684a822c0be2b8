"""`nadroute redis secret`: the passwords of Redis' users, made once, in a Secret of Kubernetes."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

import click

from services.cli.failures import usage_error
from services.cli.local.acl_command import (
    ACL_FILE,
    PASSWORD_BYTES,
    check_rotated,
    retire_option,
    tls_name_option,
)
from services.cli.local.redis_certificate import files_to_write
from services.cli.options.client import client_options, cluster_client, load_client_settings
from services.cluster.kept_secret import KeptSecret
from services.runtime.connection.redis_users import acl_file, redis_users
from services.runtime.process.clock import SystemClock
from services.runtime.process.secret_files import FORMER

PAGE = "page"
"""The key of the password of Flower's pages."""


@click.command(name="secret")
@click.argument("name")
@click.option("-n", "--namespace", required=True, help="The Secret's namespace.")
@click.option(
    "--rotate",
    "rotated",
    multiple=True,
    metavar="USER",
    help="Give this user, or `page`, another password; a user's former one counts until --retire.",
)
@retire_option
@tls_name_option
@client_options(kubernetes=True, redis=False)
def secret(
    name: str,
    namespace: str,
    rotated: tuple[str, ...],
    retire: bool,
    tls_names: tuple[str, ...],
    **flags: object,
) -> None:
    """Make the Secret NAME: a password for each user of Redis, one for Flower's pages, and users.acl.

    What is in it stays; what is missing is added. users.acl is written anew: it says what the users may do in
    this version; Redis reads it by `nadroute redis load`. Needs to create Secrets, and to get and update this
    one.
    """
    check_rotated(rotated, [*(user.name for user in redis_users() if not user.is_open), PAGE])
    settings = load_client_settings(flags)
    with cluster_client(settings) as cluster:
        kept = KeptSecret(cluster, namespace=namespace, name=name)
        now = SystemClock().now()
        keys = kept.change(
            lambda content: completed(_rotated(content, rotated, retire=retire), tls_names, now)
        )
    click.echo(f"Secret {namespace}/{name}: {', '.join(keys) or 'nothing to change'}")


def completed(content: Mapping[str, bytes], tls_names: Sequence[str], now: datetime) -> dict[str, bytes]:
    """Return the Secret's content with what is missing in it; raise CommandFailed for what is no password."""
    whole = dict(content)
    users = redis_users()
    names = [user.name for user in users if not user.is_open]
    for name in (*names, PAGE):
        if not whole.get(name):
            whole[name] = secrets.token_urlsafe(PASSWORD_BYTES).encode()
    passwords = {
        name: [_password(key, whole[key]) for key in (name, name + FORMER) if whole.get(key)]
        for name in names
    }
    whole[ACL_FILE] = acl_file(users, passwords).encode()
    return whole | (files_to_write(whole, tls_names, now) if tls_names else {})


def _rotated(content: Mapping[str, bytes], users: Sequence[str], *, retire: bool) -> dict[str, bytes]:
    """Return the content without these users' passwords, kept as former ones; or without former ones."""
    changed = {key: value for key, value in content.items() if not (retire and key.endswith(FORMER))}
    for name in users:
        before = changed.pop(name, b"")
        if before and name != PAGE:
            changed[name + FORMER] = before
    return changed


def _password(key: str, value: bytes) -> str:
    """Return the password as a service reads it from its file."""
    try:
        password = value.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        password = ""
    if not password or not password.isprintable():
        raise usage_error(f"the Secret's {key}: expected one line of printable text in UTF-8")
    return password
