"""Personal fields are encrypted per user before they are written anywhere; destroying the key erases.

AES-256-GCM (NIST SP 800-38D) with random nonces. Associated data: user, origin topic, schema. A user's data key is
wrapped by the master key (AES key wrap, RFC 3394); both stand in one file that only its owner may read.
"""

import base64
import json
import os
import threading
from collections import deque
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap
from google.protobuf.message import Message

from parlance.errors import ParlanceError, Unavailable
from parlance.events import payload, to_bytes, topic_of
from parlance.v1 import options_pb2

_NONCE_BYTES = 12
_NONCES_DRAWN = 256


class KeyDestroyed(ParlanceError):
    """The user's key is gone, and with it the content. Skip and count; never a dead letter."""


class Keys:
    """The key file of a home: one master key, one wrapped data key per user."""

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
            with self._lock:
                found = self._ciphers.get(user) or self._load(user, create)
                self._ciphers[user] = found
        return found

    def destroy(self, user: str) -> None:
        """Everything sealed for this user can never be read again."""
        self._read()
        self._data["users"].pop(user, None)
        self._ciphers.pop(user, None)
        self._write()

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


class Nonces:
    """Random nonces, each given once. The system is asked for many at a time: asking lets go of the interpreter, and
    getting it back from the journal's thread takes ten times as long as encrypting does."""

    def __init__(self) -> None:
        self._drawn: deque[bytes] = deque()
        os.register_at_fork(after_in_child=self._drawn.clear)

    def take(self) -> bytes:
        """Any thread may ask."""
        while True:
            try:
                return self._drawn.popleft()
            except IndexError:
                block = os.urandom(_NONCE_BYTES * _NONCES_DRAWN)
                self._drawn.extend(block[at : at + _NONCE_BYTES] for at in range(0, len(block), _NONCE_BYTES))


_nonces = Nonces()
_PERSONAL: dict[type[Message], tuple[str, ...]] = {}


def personal_fields(cls: type[Message]) -> tuple[str, ...]:
    """The fields of a payload that are marked personal."""
    found = _PERSONAL.get(cls)
    if found is None:
        marked = (f for f in cls.DESCRIPTOR.fields if f.GetOptions().Extensions[options_pb2.personal])
        found = _PERSONAL[cls] = tuple(f.name for f in marked)
    return found


class Sealing:
    """Seals events on their way into the log and opens them on their way out."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def seal(self, event: Any) -> bytes:
        """The event's bytes (deterministic but for the sealed part), personal fields encrypted."""
        body = payload(event)
        kept = type(body)()
        found = False
        for name in personal_fields(type(body)):
            value = getattr(body, name)
            if not value:
                continue
            if isinstance(value, (str, bytes)):
                setattr(kept, name, value)
                found = True
            elif not isinstance(value, Message):
                getattr(kept, name).extend(value)
                found = True
            elif body.HasField(name):
                getattr(kept, name).CopyFrom(value)
                found = True
        if not found:
            return to_bytes(event)
        return self._sealed(event, body, kept)

    def _sealed(self, event: Any, body: Message, kept: Message) -> bytes:
        topic = topic_of(type(event)).name
        user = event.header.user_id
        key_id, cipher = self._keys.cipher(user, create=True)
        nonce = _nonces.take()
        copy = type(event)()
        copy.CopyFrom(event)
        inner = payload(copy)
        for name in personal_fields(type(body)):
            inner.ClearField(name)
        copy.sealed.key_id, copy.sealed.topic, copy.sealed.nonce = key_id, topic, nonce
        copy.sealed.ciphertext = cipher.encrypt(nonce, to_bytes(kept), _associated(user, topic, body))
        return to_bytes(copy)

    def open(self, event: Any) -> Any:
        """The event with its personal fields in place; the same object. Raises KeyDestroyed."""
        if "sealed" not in type(event).DESCRIPTOR.fields_by_name or not event.HasField("sealed"):
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
