"""What Flower can be told."""

from typing import Annotated

from pydantic import Field, SecretStr

from services.runtime.settings import ServiceSettings


class FlowerSettings(ServiceSettings):
    """Flower: workers and tasks in a browser."""

    flower_address: str = "127.0.0.1"
    """The address to listen on. Its /metrics and /healthcheck ask nobody for a password."""
    flower_port: Annotated[int, Field(ge=0, le=65_535)] = 5555
    """The TCP port to listen on; 0 takes a free one and prints it."""
    flower_user: Annotated[str, Field(min_length=1, pattern=r"^[^:\s]+$")] = "nadroute"
    """Who may look (HTTP basic authentication)."""
    flower_password: SecretStr | None = None
    """The password to that; without one, a new one is made at every start and printed."""
    flower_read_only: bool = True
    """Refuse what changes anything: stopping workers, sending or revoking tasks."""
