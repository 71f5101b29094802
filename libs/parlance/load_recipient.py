"""Replay files for somebody else: encrypted with their public key, so that they alone can read them.

HPKE (RFC 9180: DHKEM X25519 with HKDF-SHA256, AES-256-GCM). A home makes its key pair when it first tells its public
key; the private one is kept sealed with the user's key, so that destroying that destroys this too.
"""

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from parlance import ids
from parlance.errors import InvalidRequest
from parlance.privacy import KeyDestroyed, Keys, Sealing

PREFIX = "parlance-key-"
ID_PREFIX = "x25519:"
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_INFO = b"parlance replay file"
_WHAT = "replay_key"
_KEY_BYTES, _CHECK_BYTES = 32, 4


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose key encrypts: a user of the home whose key file this is."""

    keys: Path
    user: str


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a file is for: their public key."""

    public: bytes

    @staticmethod
    def of(told: str) -> "Recipient":
        """What `parlance replay key` printed there. Raises InvalidRequest where it is none, or was not copied well."""
        try:
            raw = base64.urlsafe_b64decode(told.strip().removeprefix(PREFIX))
        except ValueError:
            raw = b""
        public, check = raw[:_KEY_BYTES], raw[_KEY_BYTES:]
        if not told.strip().startswith(PREFIX) or len(public) != _KEY_BYTES or check != _check(public):
            raise InvalidRequest(
                "--for takes the line that 'parlance replay key' prints at the recipient; copy it whole"
            )
        return Recipient(public)

    @property
    def told(self) -> str:
        """The line to hand on."""
        return PREFIX + base64.urlsafe_b64encode(self.public + _check(self.public)).decode()

    @property
    def id(self) -> str:
        return ID_PREFIX + hashlib.sha256(self.public).hexdigest()[:16]

    def encrypted(self, data: bytes) -> bytes:
        return _SUITE.encrypt(data, X25519PublicKey.from_public_bytes(self.public), info=_INFO)


def own(owner: Owner) -> Recipient:
    """This home's, made where there is none yet. Raises InvalidRequest where it cannot be written."""
    found = _private(owner)
    if found is None:
        found = X25519PrivateKey.generate()
        sealed = Sealing(Keys(owner.keys)).seal_bytes(owner.user, _WHAT, found.private_bytes_raw())
        path = _path(owner)
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(sealed)
        except OSError as exc:
            raise InvalidRequest(f"{path} cannot be written: {exc.strerror}") from exc
    return Recipient(found.public_key().public_bytes_raw())


def decrypted(owner: Owner, key_id: str, data: bytes) -> bytes | None:
    """None where it is for somebody else."""
    private = _private(owner)
    if private is None or Recipient(private.public_key().public_bytes_raw()).id != key_id:
        return None
    try:
        return _SUITE.decrypt(data, private, info=_INFO)
    except InvalidTag:
        return None


def _private(owner: Owner) -> X25519PrivateKey | None:
    path = _path(owner)
    if not path.exists() or not owner.keys.exists():
        return None
    try:
        raw = Sealing(Keys(owner.keys)).open_bytes(owner.user, _WHAT, path.read_bytes())
    except KeyDestroyed:
        return None
    return X25519PrivateKey.from_private_bytes(raw)


def _path(owner: Owner) -> Path:
    return owner.keys.with_name(f"replay-{ids.derived('replay key', owner.user)[:8]}.key")


def _check(public: bytes) -> bytes:
    return hashlib.sha256(public).digest()[:_CHECK_BYTES]
