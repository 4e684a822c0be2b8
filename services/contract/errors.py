"""The exceptions that services share."""


class NadrouteError(Exception):
    """Base of nadroute's own errors."""


class MessageRefused(NadrouteError):
    """A message does not fit the schema. It is recorded as a dead letter and dropped."""


class ConfigurationError(NadrouteError):
    """A setting is unknown or wrong. The text names it, its value and what was expected."""
