"""`nadroute redis load`: Redis reads its users again, and so the passwords that were rotated."""

from contextlib import closing

import click

from services.cli.failures import plain_errors
from services.cli.options.client import client_options, load_client_settings


@click.command(name="load")
@client_options(kubernetes=False)
def load(**flags: object) -> None:
    """Have Redis read its file of users again: after a rotation, and after another version's users.acl.

    Needs the user `cli`. If Redis does not know its new password yet, the former one serves, from the file
    beside it that ends in `.former`. Whoever has changed connects again; the others notice nothing. A file
    that Redis refuses changes nothing.
    """
    import redis

    from services.runtime.connection.redis_client import connect

    address = load_client_settings(flags).redis_address
    with plain_errors(redis=address):
        try:
            with closing(connect(address)) as client:
                client.acl_load()
        except redis.AuthenticationError:
            # Redis knows a new password only when it has read the file.
            former = address.with_former_password()
            if former is None:
                raise
            with closing(connect(former)) as client:
                client.acl_load()
    click.echo("Redis has read its users again")
