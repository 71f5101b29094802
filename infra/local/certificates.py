"""Makes what mutual TLS needs: an authority of this stack's own, and a certificate for each name of infra/access.yaml.

    python infra/local/certificates.py [--folder .tls] [--renew] [--days 365] [--host NAME=HOST] [--owner UID]

The folder then holds ca.crt, and for each name NAME.crt and NAME.key (PEM, PKCS 8, readable by their owner alone); for
the broker and the database the same. kafka.pem is key and certificates in one file, as Kafka's PEM key store wants it.
What is there and good for another month stays as it is. ca.key signs: it goes into no container.
"""

import argparse
import datetime
import ipaddress
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from parlance.access import load
from parlance.errors import ParlanceError

# Names that the manifest does not give rights to, since they serve: the broker and the database.
SERVERS = ("kafka", "postgres")
_CA_DAYS, _LEFT_DAYS = 3650, 30
_HOUR = datetime.timedelta(hours=1)


class Authority:
    """Signs. `folder` is made, readable by its owner alone; ca.crt and ca.key are made where they are not there."""

    def __init__(self, folder: Path, owner: int | None = None) -> None:
        self._folder, self._owner = folder, owner
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        if not (folder / "ca.crt").exists():
            self._make()
        self.certificate = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
        key = load_pem_private_key((folder / "ca.key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key

    def _make(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Parlance")
        made = _builder(name, name, key, _CA_DAYS).add_extension(x509.BasicConstraints(True, 0), critical=True)
        made = made.add_extension(_usage(signs=True), critical=True)
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        self._write("ca.key", _pem(key))
        self._write("ca.crt", made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM), mode=0o644)

    def issue(self, name: str, days: float = 365, hosts: Sequence[str] = ()) -> None:
        """NAME.crt and NAME.key, anew."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(host) for host in dict.fromkeys(("localhost", name, *hosts))]
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        made = (
            _builder(_name(name), self.certificate.subject, key, days)
            .add_extension(x509.BasicConstraints(False, None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
        )
        certificate = made.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        self._write(f"{name}.key", _pem(key))
        self._write(f"{name}.crt", certificate, mode=0o644)
        if name == "kafka":
            self._write("kafka.pem", _pem(key) + certificate + self.certificate.public_bytes(Encoding.PEM))

    def good(self, name: str) -> bool:
        """Whether what is there of this name was signed here and holds for another month."""
        path = self._folder / f"{name}.crt"
        if not path.exists() or not (self._folder / f"{name}.key").exists():
            return False
        found = x509.load_pem_x509_certificate(path.read_bytes())
        left = found.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
        try:
            found.verify_directly_issued_by(self.certificate)
        except (ValueError, InvalidSignature):
            return False
        return left > datetime.timedelta(days=_LEFT_DAYS)

    def _write(self, name: str, content: bytes, mode: int = 0o600) -> None:
        """Never in place, and never readable for others, not even for a moment."""
        new = self._folder / f".{name}.new"
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
        if self._owner is not None and name != "ca.key":
            os.chown(new, self._owner, -1)
        new.replace(self._folder / name)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: float
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        # Another machine's clock may be late.
        .not_valid_before(now + min(datetime.timedelta(), datetime.timedelta(days=days)) - _HOUR)
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def names() -> list[str]:
    """Whoever needs a certificate."""
    return [*load().entries, *SERVERS]


def make(authority: Authority, *, days: float = 365, renew: bool = False, hosts: Mapping[str, list[str]]) -> list[str]:
    """The names whose certificates were made now."""
    wanted = [name for name in names() if renew or not authority.good(name)]
    for name in wanted:
        authority.issue(name, days, hosts.get(name, []))
    return wanted


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(".tls"))
    parser.add_argument("--renew", action="store_true", help="make all certificates anew; the authority stays")
    parser.add_argument("--days", type=float, default=365, help="how long they hold")
    parser.add_argument("--host", action="append", default=[], metavar="NAME=HOST", help="where NAME is found too")
    parser.add_argument("--owner", type=int, metavar="UID", help="whose they are (needs root), such as a container's")
    said = parser.parse_args()
    hosts: dict[str, list[str]] = {}
    for pair in said.host:
        name, equals, host = pair.partition("=")
        if not equals or name not in names():
            parser.error(f"--host is NAME=HOST with a name of infra/access.yaml, not '{pair}'")
        hosts.setdefault(name, []).append(host)
    made = make(Authority(said.folder, said.owner), days=said.days, renew=said.renew, hosts=hosts)
    print(f"{said.folder}: {', '.join(made) + ' made' if made else 'all certificates hold for another month'}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ParlanceError, OSError, ValueError) as exc:
        sys.exit(f"make certificates: {exc}")
