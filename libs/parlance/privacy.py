"""Personal fields are encrypted per user before they are written anywhere; destroying the key erases.

AES-256-GCM (NIST SP 800-38D) with random nonces. Associated data: user, origin topic, schema. A user's data key is
wrapped by the master key (AES key wrap, RFC 3394); both stand in one file that only its owner may read.
"""

import base64
import json
import os
import threading
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap
from google.protobuf.message import Message

from parlance.errors import ParlanceError, Unavailable
from parlance.events import payload, to_bytes, topic_of
from parlance.locks import locked
from parlance.randomness import Random
from parlance.v1 import options_pb2

_NONCE_BYTES = 12


class KeyDestroyed(ParlanceError):
    """The user's key is gone, and with it the content. Skip and count; never a dead letter."""


class Keys:
    """The key file of a home, which several processes may share: one master key, one wrapped data key per user."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # A user's first use may come from the loop and from the store's thread at once.
        self._lock = threading.Lock()
        self._ciphers: dict[str, tuple[str, AESGCM]] = {}
        self._data: dict[str, Any] = {}

    def cipher(self, user: str, *, create: bool) -> tuple[str, AESGCM]:
        """(key id, cipher) of a user. Raises KeyDestroyed where there is none and none is to be made."""
        found = self._ciphers.get(user)
        if found is None:
            with self._lock, self._alone():
                found = self._ciphers.get(user) or self._load(user, create)
                self._ciphers[user] = found
        return found

    def destroy(self, user: str) -> None:
        """Everything sealed for this user can never be read again."""
        with self._alone():
            self._read()
            self._data["users"].pop(user, None)
            self._ciphers.pop(user, None)
            self._write()

    def _alone(self) -> AbstractContextManager[None]:
        """No other process writes the file meanwhile."""
        return locked(self._path.with_suffix(".lock"))

    def _load(self, user: str, create: bool) -> tuple[str, AESGCM]:
        self._read()
        master = base64.b64decode(self._data["master"])
        entry = self._data["users"].get(user)
        if entry is None:
            if not create:
                raise KeyDestroyed("the user's key is gone")
            wrapped = aes_key_wrap(master, AESGCM.generate_key(256))
            entry = self._data["users"][user] = {
                "id": os.urandom(8).hex(),
                "key": base64.b64encode(wrapped).decode(),
            }
            self._write()
        return entry["id"], AESGCM(aes_key_unwrap(master, base64.b64decode(entry["key"])))

    def _read(self) -> None:
        try:
            self._data = json.loads(self._path.read_text())
        except FileNotFoundError:
            self._data = {"master": base64.b64encode(os.urandom(32)).decode(), "users": {}}
            self._write()
        except ValueError as exc:
            raise Unavailable(
                f"the key file {self._path} is damaged: restore it from your backup, or nothing sealed can be read"
            ) from exc

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(f".{os.getpid()}.part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(self._data, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, self._path)


_nonces = Random(_NONCE_BYTES)


@cache
def personal_fields(cls: Any) -> tuple[str, ...]:
    """The fields of a payload that are marked personal."""
    return tuple(f.name for f in cls.DESCRIPTOR.fields if f.GetOptions().Extensions[options_pb2.personal])


@cache
def _other_fields(cls: Any) -> tuple[str, ...]:
    return tuple(f.name for f in cls.DESCRIPTOR.fields if f.name not in personal_fields(cls))


@cache
def _sealable(cls: Any) -> bool:
    return "sealed" in cls.DESCRIPTOR.fields_by_name


class Sealing:
    """Seals events on their way into the log and opens them on their way out."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def seal(self, event: Any) -> bytes:
        """The event's bytes (deterministic but for the sealed part), personal fields encrypted."""
        body = payload(event)
        cls: Any = type(body)
        if not personal_fields(cls):
            return to_bytes(event)
        kept = cls()
        kept.CopyFrom(body)
        for name in _other_fields(cls):
            kept.ClearField(name)
        personal = to_bytes(kept)
        return self._sealed(event, cls, personal) if personal else to_bytes(event)

    def _sealed(self, event: Any, cls: Any, personal: bytes) -> bytes:
        topic = topic_of(type(event)).name
        user = event.header.user_id
        key_id, cipher = self._keys.cipher(user, create=True)
        copy = type(event)()
        copy.CopyFrom(event)
        body, sealed = payload(copy), copy.sealed
        for name in personal_fields(cls):
            body.ClearField(name)
        sealed.key_id, sealed.topic, sealed.nonce = key_id, topic, _nonces.take()
        sealed.ciphertext = cipher.encrypt(sealed.nonce, personal, _associated(user, topic, body))
        return to_bytes(copy)

    def open(self, event: Any) -> Any:
        """The event with its personal fields in place; the same object. Raises KeyDestroyed."""
        cls: Any = type(event)
        if not _sealable(cls) or not event.HasField("sealed"):
            return event
        body, sealed, user = payload(event), event.sealed, event.header.user_id
        key_id, cipher = self._keys.cipher(user, create=False)
        if key_id != sealed.key_id:
            raise KeyDestroyed("the key that sealed this is gone")
        plain = cipher.decrypt(sealed.nonce, sealed.ciphertext, _associated(user, sealed.topic, body))
        body.MergeFromString(plain)
        event.ClearField("sealed")
        return event

    def seal_bytes(self, user: str, what: str, data: bytes) -> bytes:
        """Encrypts a row of a service's own store; `what` names the kind of row."""
        _, cipher = self._keys.cipher(user, create=True)
        nonce = _nonces.take()
        return nonce + cipher.encrypt(nonce, data, f"{user}|{what}".encode())

    def open_bytes(self, user: str, what: str, data: bytes) -> bytes:
        """Raises KeyDestroyed where the user's key is gone or is another one."""
        _, cipher = self._keys.cipher(user, create=False)
        try:
            return cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], f"{user}|{what}".encode())
        except InvalidTag as exc:
            raise KeyDestroyed("the key that sealed this is gone") from exc


def _associated(user: str, topic: str, body: Message) -> bytes:
    return f"{user}|{topic}|{body.DESCRIPTOR.full_name}".encode()
