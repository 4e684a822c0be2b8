"""`nadroute redis load`: Redis reads its users again, and so the passwords that were rotated."""

import click

from services.cli.options.client import client_options, load_client_settings, redis_client


@click.command(name="load")
@client_options(kubernetes=False)
def load(**flags: object) -> None:
    """Have Redis read its file of users again: after a rotation, and after another version's users.acl.

    Needs the user `cli`. Whoever has changed connects again; the others notice nothing. A file that Redis
    refuses changes nothing.
    """
    with redis_client(load_client_settings(flags)) as client:
        client.acl_load()
    click.echo("Redis has read its users again")
