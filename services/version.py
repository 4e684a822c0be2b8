"""The version of nadroute, as the package, the announcements and the User-Agent say it."""

__version__ = "0.1.0-alpha"
