"""Mutual TLS: the files of the folder PARLANCE_TLS, looked at before anybody connects with them.

What is wrong with them is said here with the file's name: what a peer says of a certificate that it refuses is little.
"""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from parlance import clock
from parlance.errors import InvalidRequest
from parlance.rpc import Credentials

# Whose certificate the command line shows.
OPERATOR = "operator"
_RENEW = "make it anew: make certificates RENEW=1"


def credentials(folder: Path, name: str) -> Credentials:
    """Those of `name`: ca.crt, NAME.crt and NAME.key. Raises InvalidRequest, which names PARLANCE_TLS and the file,
    where one is missing, unreadable, out of date, of another authority or name, or the key is another one's."""
    made = Credentials(folder / "ca.crt", folder / f"{name}.crt", folder / f"{name}.key")
    authorities = _certificates(made.ca)
    certificate = _certificates(made.cert)[0]
    key = _key(made.key)
    for path, one in [(made.ca, ca) for ca in authorities] + [(made.cert, certificate)]:
        _check_time(path, one)
    if not any(_issued(certificate, ca) for ca in authorities):
        raise _wrong(made.cert, f"was not signed by {made.ca}: both come from one authority; {_RENEW}")
    if (found := common_name(certificate)) != name:
        raise _wrong(made.cert, f"is the certificate of '{found}', not of '{name}'")
    if key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != _public(certificate):
        raise _wrong(made.key, f"is not the key of {made.cert}; {_RENEW}")
    return made


def own(folder: Path | None, name: str) -> Credentials | None:
    """As `credentials`; None where PARLANCE_TLS is not set."""
    return None if folder is None else credentials(folder, name)


def context(of: Credentials) -> ssl.SSLContext:
    """For a client: checks the server's name, shows our certificate."""
    made = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(of.ca))
    made.load_cert_chain(of.cert, of.key)
    return made


def common_name(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_read(path))
    except ValueError:
        raise _wrong(path, f"is no certificate in PEM; {_RENEW}") from None


def _key(path: Path) -> Any:
    try:
        return load_pem_private_key(_read(path), None)
    except (ValueError, TypeError):
        raise _wrong(path, f"is no private key in PEM without a password; {_RENEW}") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise _wrong(
            path, f"cannot be read ({exc.strerror}): set PARLANCE_TLS to the folder, or type: make certificates"
        ) from exc


def _check_time(path: Path, certificate: x509.Certificate) -> None:
    now = datetime.fromtimestamp(clock.now_us() / 1e6, UTC)
    if now > certificate.not_valid_after_utc:
        raise _wrong(path, f"has expired at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC; {_RENEW}")
    if now < certificate.not_valid_before_utc:
        begins = certificate.not_valid_before_utc
        raise _wrong(path, f"holds only from {begins:%Y-%m-%d %H:%M} UTC on: is this machine's clock right?")


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _public(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _wrong(path: Path, why: str) -> InvalidRequest:
    return InvalidRequest(f"PARLANCE_TLS: {path} {why}")
