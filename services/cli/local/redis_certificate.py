"""A certificate for Redis from an authority of its own, whose key is thrown away once it has signed.

So nobody can issue another one, and whoever has the CA's file trusts this Redis alone.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_FILE, CERTIFICATE_FILE, KEY_FILE = "redis-ca.crt", "redis.crt", "redis.key"
VALID = timedelta(days=3_650)
RENEWED_BEFORE_END = timedelta(days=365)
SKEW = timedelta(days=1)
"""How far behind another machine's clock may be."""


@dataclass(frozen=True, repr=False)
class RedisCertificate:
    """PEM files. ca: may hold the former CA too, so that who still has the former certificate is trusted."""

    ca: bytes
    certificate: bytes
    key: bytes

    def files(self) -> dict[str, bytes]:
        """Return the content of each file by its name."""
        return {CA_FILE: self.ca, CERTIFICATE_FILE: self.certificate, KEY_FILE: self.key}


def files_to_write(present: Mapping[str, bytes], names: Sequence[str], now: datetime) -> dict[str, bytes]:
    """Return the files, by name, of a certificate for these names; none while the present one will do."""
    if all(present.get(name) for name in (CA_FILE, CERTIFICATE_FILE, KEY_FILE)) and is_current(
        present[CERTIFICATE_FILE], names, now
    ):
        return {}
    return make_certificate(names, now, former_ca=present.get(CA_FILE, b"")).files()


def is_current(certificate: bytes, names: Sequence[str], now: datetime) -> bool:
    """Return whether this PEM is a certificate for all these names, and is for the next year."""
    try:
        read = x509.load_pem_x509_certificate(certificate)
        stands = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    return set(_subject_names(names)) <= set(stands) and (
        read.not_valid_before_utc <= now < read.not_valid_after_utc - RENEWED_BEFORE_END
    )


def make_certificate(names: Sequence[str], now: datetime, *, former_ca: bytes = b"") -> RedisCertificate:
    """Make a certificate for these names or addresses of a Redis.

    former_ca: PEM of the CA in use until now; its newest certificate is kept beside the new one.
    """
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nadroute Redis CA")])
    of_authority = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    authority = (
        _builder(authority_name, authority_name, authority_key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(of_authority, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nadroute Redis")])
    certificate = (
        _builder(subject, authority_name, key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_subject_names(names)), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(of_authority), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return RedisCertificate(
        ca=authority.public_bytes(pem) + _newest(former_ca),
        certificate=certificate.public_bytes(pem),
        key=key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + VALID)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _subject_names(names: Sequence[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name.removesuffix(".")))
    return found


def _newest(ca: bytes) -> bytes:
    """Return the first certificate of a CA's file; nothing where it is none."""
    try:
        return x509.load_pem_x509_certificates(ca)[0].public_bytes(serialization.Encoding.PEM)
    except (ValueError, IndexError):
        return b""
