"""Connections to Redis by TLS that are always verified, with errors in plain words."""

import ssl
from typing import Any

import redis
from redis.exceptions import ConnectionError as RedisConnectionError

EXPIRED, NOT_YET_VALID, WRONG_NAME, WRONG_ADDRESS = 10, 9, 62, 64
"""X509_V_ERR_CERT_HAS_EXPIRED, …_NOT_YET_VALID, …_HOSTNAME_MISMATCH, …_IP_ADDRESS_MISMATCH of OpenSSL."""


class VerifiedConnection(redis.SSLConnection):
    """A TLS connection that trusts one CA: that of ssl_ca_certs, or the system's without one.

    redis-py trusts the system's CAs beside the given one, and Celery verifies nothing unless told to. CA,
    certificate and key are read at each new connection, so that they can be rotated.
    """

    ca_certs: str | None
    certfile: str | None
    keyfile: str | None
    host: str

    def _wrap_socket_with_ssl(self, sock: Any) -> ssl.SSLSocket:
        try:
            context = ssl.create_default_context(cafile=self.ca_certs)
            if self.certfile:
                context.load_cert_chain(self.certfile, self.keyfile)
        except OSError as error:
            named = ", ".join(path for path in (self.ca_certs, self.certfile, self.keyfile) if path)
            why = "cannot be read as PEM" if isinstance(error, ssl.SSLError) else error.strerror
            raise RedisConnectionError(
                f"TLS to Redis: {named}: {why}; expected PEM files that this user can read, and the key of "
                "the certificate"
            ) from None
        try:
            # A name may end with a dot, for the resolver; in a certificate, and in TLS, none does.
            return context.wrap_socket(sock, server_hostname=self.host.removesuffix("."))
        except ssl.SSLCertVerificationError as error:
            raise RedisConnectionError(self._explain(error)) from None
        except ssl.SSLError as error:
            why = (error.reason or "closed by the server").replace("_", " ").lower()
            raise RedisConnectionError(
                f"TLS to Redis at {self.host}: {why}; expected a server that speaks TLS on this port, and "
                "accepts the client's certificate if it asks for one"
            ) from None

    def _explain(self, error: ssl.SSLCertVerificationError) -> str:
        where = f"TLS to Redis at {self.host}: "
        if error.verify_code == EXPIRED:
            return f"{where}its certificate has expired; expected one that is valid now: renew it"
        if error.verify_code == NOT_YET_VALID:
            return f"{where}its certificate is not valid yet; expected the clocks of both machines to agree"
        if error.verify_code in (WRONG_NAME, WRONG_ADDRESS):
            return (
                f"{where}its certificate is for another name; expected one for {self.host}: connect by a "
                "name in the certificate, or issue one with this name"
            )
        trusted = self.ca_certs or "the system's CAs (redis_ca_file is not given)"
        return f"{where}its certificate is not trusted: {error.verify_message}; expected its CA in {trusted}"
