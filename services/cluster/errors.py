"""What can go wrong between here and the API server: the only exceptions that leave this package.

The HTTP client's and the Kubernetes client's own exceptions never do. The docstrings say what an error means
for whoever called: whether it may be tried again, and on what.
"""

from services.contract.errors import NadrouteError


class ClusterError(NadrouteError):
    """The API server did not do what it was asked."""


class Conflict(ClusterError):
    """The object is another version by now (409, or 422 on a `test`): decide again on the fresh object."""


class PatchRefused(Conflict):
    """A patch met 422: a `test` in it failed, or its result is not what the object's schema allows."""


class NotFound(ClusterError):
    """The object is gone, or another one (of another uid) stands under its name: nothing may be written."""


class Denied(ClusterError):
    """Admission refused this write to this object: permanent until somebody changes the object.

    A webhook's denial is HTTP 500 at Harvester, with "denied the request" in its text; a write that breaks
    the object's own schema is as final.
    """


class Forbidden(ClusterError):
    """RBAC does not allow it (403): a person has to grant it."""


class Unauthorized(ClusterError):
    """The credentials are not accepted (401), not even after they were read again."""


class Throttled(ClusterError):
    """The server asks for a pause (429): never try again sooner than retry_after_s."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(ClusterError):
    """Refused, cut, timed out, 5xx, or a webhook that cannot be reached: try again later.

    A write may have been committed all the same: look before it is repeated.
    """


class Expired(ClusterError):
    """The resourceVersion or continue token is too old (410): list anew."""
