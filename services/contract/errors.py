"""The exceptions that services share; their docstrings are what they mean."""


class NadrouteError(Exception):
    """Something that nadroute can name went wrong."""


class MessageRefused(NadrouteError):
    """A message does not fit the schema; it is recorded and dropped, never guessed at."""


class ConfigurationError(NadrouteError):
    """A setting is unknown or wrong; the text names it, its value and what was expected."""
