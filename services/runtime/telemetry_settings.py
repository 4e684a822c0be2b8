"""Where a service tells of itself."""

from ipaddress import IPv4Address, IPv6Address
from typing import Annotated

from pydantic import Field

from services.runtime.settings import ServiceSettings

Port = Annotated[int, Field(ge=0, le=65_535)]


class TelemetrySettings(ServiceSettings):
    """The settings of services.runtime.endpoint; each service has a default port of its own."""

    metrics_address: IPv4Address | IPv6Address = IPv4Address("127.0.0.1")
    """The address where /metrics, /healthz and /readyz are told. They ask nobody for a password."""
    metrics_port: Port = 0
    """The TCP port of /metrics, /healthz and /readyz; 0 tells them nowhere."""
