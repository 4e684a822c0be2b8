"""How a command ends: its exit code, and one line that says what was wrong and what to do.

Nobody who is called at three in the morning should have to read a traceback.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from services.contract.errors import ConfigurationError, NadrouteError

NOT_ALL_ACTIVE = 1
USAGE = 2
UNREACHABLE = 3


class CommandFailed(click.ClickException):
    """The command cannot go on; its text names the thing, what it was, what was expected, what to do."""

    exit_code = USAGE

    def show(self, file: object = None) -> None:  # noqa: ARG002  # click's signature
        for line in self.message.splitlines():
            click.echo(f"{click.style('nadroute:', fg='red', bold=True)} {line}", err=True)


class OutOfReach(CommandFailed):
    """Redis, Kubernetes or every prober is away."""

    exit_code = UNREACHABLE


def wrong(message: str) -> CommandFailed:
    """What the user gave cannot be used: exit 2."""
    return CommandFailed(message)


def unreachable(message: str) -> CommandFailed:
    """Redis, Kubernetes or every prober is away: exit 3."""
    return OutOfReach(message)


@contextmanager
def told_plainly(*, redis_url: str | None = None) -> Iterator[None]:
    """Turn what services and clients raise into a line for people; the URL is shown without its password."""
    try:
        yield
    except ConfigurationError as error:
        raise wrong(str(error)) from None
    except NadrouteError as error:
        raise unreachable(str(error)) from None
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "services":
            raise
        raise wrong(
            f"the package {error.name} is missing here; this command needs it: pip install 'nadroute[all]'"
        ) from None
    except Exception as error:
        told = _redis_trouble(error, redis_url)
        if told is None:
            raise
        raise told from None


def _redis_trouble(error: Exception, redis_url: str | None) -> CommandFailed | None:
    """None where the error is not Redis'; nothing is imported that was not there already."""
    roots = [
        getattr(sys.modules[module], name)
        for module, name in (("redis", "RedisError"), ("kombu.exceptions", "OperationalError"))
        if module in sys.modules
    ]
    if not isinstance(error, tuple(roots)):
        return None
    return redis_away(redis_url, str(error).strip().rstrip(".") or type(error).__name__)


def redis_away(url: str | None, said: str) -> CommandFailed:
    """Redis did not do what it was asked; said: what it or the client said."""
    from services.runtime.redis_client import redact

    where = redact(url) if url else "the Redis URL in force"
    return unreachable(
        f"Redis at {where}: {said}; expected it to answer: start it (`nadroute redis --port 6379`), or say "
        "where it is with --redis-url or NADROUTE_REDIS_URL"
    )


def run_to_exit_code(command: Callable[[], object]) -> int:
    """Run a click command without its own exit; what it returns is an exit code where it is a number."""
    try:
        result = command()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except BrokenPipeError:
        # Whoever read us has gone (`| head`): not an error, and nothing more can be said there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0
