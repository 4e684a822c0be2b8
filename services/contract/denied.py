"""Where no gateway of a VM network can be: hosts must not be made to ask there, whoever names it."""

from ipaddress import IPv4Network

DENIED_SUBNETS = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.52.0.0/16",  # Harvester's pods
        "10.53.0.0/16",  # Harvester's services
        "127.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
"""The default of the setting denied_subnets, the same for all services."""
