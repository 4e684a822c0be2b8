"""`nadroute redis acl`: the users of Redis, their passwords as files, and Redis' own file of them."""

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

import click

from services.cli.failures import usage_error
from services.runtime.connection.redis_users import RedisUser, acl_file, redis_users
from services.runtime.process.clock import SystemClock
from services.runtime.process.secret_files import FORMER, read_secret

ACL_FILE = "users.acl"
PASSWORD_BYTES = 32


tls_name_option = click.option(
    "--tls-name",
    "tls_names",
    multiple=True,
    metavar="NAME",
    help="Also make a certificate for a Redis of this name or address, for ten years. May be repeated. It is "
    "replaced in its last year, or when it lacks a name.",
)
retire_option = click.option("--retire", is_flag=True, help="Let former passwords count no more.")


@click.command(name="acl")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="HOST",
    help="A user for this host's prober alone. May be repeated.",
)
@click.option(
    "--db",
    "database",
    type=click.IntRange(0, 1_000),
    default=0,
    show_default=True,
    help="The database of the URL.",
)
@click.option(
    "--rotate",
    "rotated",
    multiple=True,
    metavar="USER",
    help="Give this user another password; the former counts until --retire.",
)
@retire_option
@tls_name_option
def acl(
    folder: Path,
    hosts: tuple[str, ...],
    database: int,
    rotated: tuple[str, ...],
    retire: bool,
    tls_names: tuple[str, ...],
) -> None:
    """Write the passwords of Redis' users into FOLDER, a file each, and users.acl for Redis.

    A password that is there stays. Redis reads the file with `aclfile FOLDER/users.acl`, and again by ACL
    LOAD; it holds digests, no passwords. The parts of nadroute get NADROUTE_REDIS_USERNAME and
    NADROUTE_REDIS_PASSWORD_FILE. Without --host, one user `prober` serves all hosts, and can read the queues
    of all.
    """
    users = [user for user in redis_users(hosts, database=database) if not user.is_open]
    check_rotated(rotated, [user.name for user in users])
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o077:
            raise usage_error(
                f"{folder}: others may enter it; expected a folder for its owner alone: chmod 700"
            )
        passwords = {user.name: _passwords(folder, user, user.name in rotated, retire) for user in users}
        _write(folder / ACL_FILE, acl_file(redis_users(hosts, database=database), passwords))
        if tls_names:
            _write_certificate(folder, tls_names)
    except OSError as error:
        raise usage_error(
            f"{error.filename}: {error.strerror}; expected a folder that this user can write"
        ) from None
    except ValueError as error:
        raise usage_error(str(error)) from None
    click.echo(f"{folder / ACL_FILE}: {', '.join(user.name for user in users)}")


def check_rotated(rotated: Sequence[str], known: Sequence[str]) -> None:
    """Exit 2 if one of those whose password is to change is none of the known users."""
    unknown = sorted(set(rotated) - set(known))
    if unknown:
        raise usage_error(f"--rotate={unknown[0]!r}: no such user; expected one of {', '.join(known)}")


def _write_certificate(folder: Path, names: Sequence[str]) -> None:
    """Write what is missing of CA, certificate and key."""
    # The package that makes them is installed where a person works, not where a service runs.
    from services.cli.local.redis_certificate import files_to_write

    present = {path.name: path.read_bytes() for path in folder.glob("redis*") if path.is_file()}
    for name, content in files_to_write(present, names, SystemClock().now()).items():
        _write(folder / name, content.decode())


def _passwords(folder: Path, user: RedisUser, rotate: bool, retire: bool) -> list[str]:
    """Return the user's password and, if it counts, the former one; makes what is missing."""
    file, former = folder / user.name, folder / f"{user.name}{FORMER}"
    if rotate and file.exists():
        _write(former, read_secret(file))
        file.unlink()
    if not file.exists():
        _write(file, secrets.token_urlsafe(PASSWORD_BYTES))
    if retire:
        former.unlink(missing_ok=True)
    return [read_secret(each) for each in (file, former) if each.exists()]


def _write(path: Path, text: str) -> None:
    """Write a file whole. The folder keeps others away: a container that mounts the file has another user."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w") as file:
        file.write(text)
    beside.replace(path)
