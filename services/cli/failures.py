"""How a command ends: an exit code, and for an error one line that says what was wrong and what to do."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from services.cli.terminal import plain
from services.contract.errors import ConfigurationError, NadrouteError
from services.runtime.process.redaction import hide_passwords

if TYPE_CHECKING:
    from services.runtime.connection.redis_address import RedisAddress

NOT_ALL_ACTIVE = 1
USAGE = 2
UNREACHABLE = 3
INTERRUPTED = 130


class CommandFailed(click.ClickException):
    """The command cannot go on. The text names the thing, its value, what was expected and what to do."""

    exit_code = USAGE

    def show(self, file: object = None) -> None:  # noqa: ARG002  # click's signature
        # click quotes an argument that it does not expect, and clients quote what they were given.
        for line in hide_passwords(self.message).splitlines():
            click.echo(f"{click.style('nadroute:', fg='red', bold=True)} {plain(line)}", err=True)


class Unreachable(CommandFailed):
    """Redis, Kubernetes or every prober is out of reach."""

    exit_code = UNREACHABLE


def usage_error(message: str) -> CommandFailed:
    """Build the error for invalid input: exit 2."""
    return CommandFailed(message)


def unreachable(message: str) -> CommandFailed:
    """Build the error for an unreachable Redis or Kubernetes, or without any prober: exit 3."""
    return Unreachable(message)


@contextmanager
def plain_errors(*, redis: "RedisAddress | None" = None) -> Iterator[None]:
    """Turn the exceptions of services and clients into CommandFailed, without any password."""
    try:
        yield
    except ConfigurationError as error:
        raise usage_error(str(error)) from None
    except NadrouteError as error:
        raise unreachable(str(error)) from None
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "services":
            raise
        raise usage_error(
            f"the package {error.name} is not installed, and this command needs it: "
            "pip install 'nadroute[all]', or run it in the image nadroute-cli"
        ) from None
    except Exception as error:
        failed = _redis_failure(error, redis)
        if failed is None:
            raise
        raise failed from None


def _redis_failure(error: Exception, address: "RedisAddress | None") -> CommandFailed | None:
    """Return the error for an exception of Redis' client, else None; imports nothing that is not loaded."""
    roots = [
        getattr(sys.modules[module], name)
        for module, name in (("redis", "RedisError"), ("kombu.exceptions", "OperationalError"))
        if module in sys.modules
    ]
    if not isinstance(error, tuple(roots)):
        return None
    if type(error).__name__ in ("AuthenticationError", "NoPermissionError"):
        return unreachable(
            f"Redis at {address or 'the configured URL'}: {str(error).strip().rstrip('.')}; expected a user "
            "of Redis who may do this: name it by NADROUTE_REDIS_USERNAME, and its password by "
            "NADROUTE_REDIS_PASSWORD_FILE"
        )
    return redis_unreachable(address, str(error).strip().rstrip(".") or type(error).__name__)


def redis_unreachable(address: "RedisAddress | None", error: str) -> CommandFailed:
    """Build the error for a Redis that failed; error: its own or the client's message."""
    where = address or "the configured URL"
    return unreachable(
        f"Redis at {where}: {error}; expected it to answer: start it (`nadroute redis --port 6379`), or name "
        "another with --redis-url or NADROUTE_REDIS_URL"
    )


def run_to_exit_code(command: Callable[[], object]) -> int:
    """Run a click command that does not exit by itself; an integer that it returns is the exit code."""
    try:
        result = command()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.UsageError as error:
        _one_line(error).show()
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except BrokenPipeError:
        # The reader is gone (`| head`): no error, and there is nowhere left to write to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0


def _one_line(error: click.UsageError) -> CommandFailed:
    """click's message without the usage that it prints above."""
    path = error.ctx.command_path if error.ctx else "nadroute"
    message = " ".join(error.format_message().split()).removesuffix(".")
    return CommandFailed(f"{message}; see `{path} --help`")
