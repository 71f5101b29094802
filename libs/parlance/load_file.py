"""Replay files: questions with the moments at which they are meant to be sent. protos/parlance/v1/replay.proto has the
layout. One file, read and written whole; encrypted with the user's key of this home, with the public key of whom it is
for, or plain."""

import hashlib
import io
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError
from google.protobuf.proto import parse_length_prefixed, serialize_length_prefixed

from parlance import load_recipient
from parlance.errors import InvalidRequest
from parlance.load_recipient import Owner, Recipient
from parlance.privacy import KeyDestroyed, Keys, Sealing
from parlance.v1.replay_pb2 import ReplayHead, ReplayTurn

_MAGIC, VERSION = b"parlance-replay ", 1
_SUM_BYTES = 32
# What a body may grow to when it is unpacked.
_BODY_MAX = 1 << 30
_WHAT = "replay_file"


@dataclass(frozen=True, slots=True)
class Recording:
    """`digest`: SHA-256 of the file, hexadecimal."""

    head: ReplayHead
    turns: Sequence[ReplayTurn]
    digest: str


def write(path: Path, turns: Sequence[ReplayTurn], origin: str, owner: Owner | Recipient | None) -> Recording:
    """Writes the file (in place of one that is there), for everybody where there is no owner. Raises InvalidRequest
    where it cannot be written."""
    head = ReplayHead(turns=len(turns), sessions=len({t.session for t in turns}), origin=origin)
    head.length_us = turns[-1].at_us - turns[0].at_us if turns else 0
    body = zlib.compress(_joined(turns), 6)
    if isinstance(owner, Recipient):
        head.key_id, body = owner.id, owner.encrypted(body)
    elif owner is not None:
        keys = Keys(owner.keys)
        head.key_id, _ = keys.cipher(owner.user, create=True)
        body = Sealing(keys).seal_bytes(owner.user, _WHAT, body)
    data = _MAGIC + b"%d\n" % VERSION + _joined([head]) + body
    digest = hashlib.sha256(data).digest()
    _replace(path, data + digest)
    return Recording(head, turns, hashlib.sha256(data + digest).hexdigest())


def read(path: Path, owner: Owner) -> Recording:
    """Raises InvalidRequest, which says what to do, where it is no such file, cut, of a newer version, or encrypted
    for somebody else."""
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise InvalidRequest(f"{path} cannot be read: {exc.strerror}") from exc
    checked = _checked(path, data)
    try:
        stream = io.BytesIO(checked)
        stream.readline()
        head = parse_length_prefixed(ReplayHead, stream)
        if head is None:
            raise DecodeError
        turns = _turns(_opened(path, stream.read(), head, owner))
    except (DecodeError, zlib.error) as exc:
        raise InvalidRequest(f"{path} cannot be read: its content makes no sense; record it again") from exc
    if len(turns) != head.turns:
        raise InvalidRequest(f"{path} holds {len(turns)} turns where it says {head.turns}; record it again")
    return Recording(head, turns, hashlib.sha256(data).hexdigest())


def _checked(path: Path, data: bytes) -> bytes:
    """The file without its checksum."""
    start = data[: len(_MAGIC)]
    line, found, _ = data[len(_MAGIC) : len(_MAGIC) + 20].partition(b"\n")
    if start != _MAGIC[: len(start)] or (found and not line.isdigit()):
        raise InvalidRequest(f"{path} is no replay file; 'parlance replay synth' and 'record' make such files")
    if found and int(line) > VERSION:
        raise InvalidRequest(f"{path} is of version {int(line)}; this Parlance reads up to {VERSION}: update Parlance")
    content, digest = data[:-_SUM_BYTES], data[-_SUM_BYTES:]
    if not found or hashlib.sha256(content).digest() != digest:
        raise InvalidRequest(f"{path} is cut or damaged (its checksum does not fit): copy it again, or record it again")
    return content


def _opened(path: Path, body: bytes, head: ReplayHead, owner: Owner) -> bytes:
    if head.key_id:
        body = _decrypted(path, body, head, owner)
    unpack = zlib.decompressobj()
    plain = unpack.decompress(body, _BODY_MAX)
    if not unpack.eof:
        raise InvalidRequest(f"{path} unpacks to more than {_BODY_MAX >> 20} MiB, or is not whole; record less")
    return plain


def _decrypted(path: Path, body: bytes, head: ReplayHead, owner: Owner) -> bytes:
    if head.key_id.startswith(load_recipient.ID_PREFIX):
        plain = load_recipient.decrypted(owner, head.key_id, body)
        if plain is not None:
            return plain
        raise InvalidRequest(
            f"{path} is encrypted for somebody else (key {head.key_id}): run it there, or have it recorded for you: "
            "'record --for KEY', with the KEY that 'parlance replay key' prints here"
        )
    try:
        keys = Keys(owner.keys)
        if owner.keys.exists() and keys.cipher(owner.user, create=False)[0] == head.key_id:
            return Sealing(keys).open_bytes(owner.user, _WHAT, body)
    except KeyDestroyed:
        pass
    raise InvalidRequest(
        f"{path} is encrypted for somebody else (key {head.key_id}): run it in the home that recorded it, or record it "
        "there again with --for KEY ('parlance replay key' prints yours), or with --plain"
    )


def _joined(messages: Sequence[ReplayHead] | Sequence[ReplayTurn]) -> bytes:
    out = io.BytesIO()
    for message in messages:
        serialize_length_prefixed(message, out)
    return out.getvalue()


def _turns(plain: bytes) -> list[ReplayTurn]:
    stream, found = io.BytesIO(plain), []
    while stream.tell() < len(plain):
        turn = parse_length_prefixed(ReplayTurn, stream)
        if turn is None:
            break
        found.append(turn)
    return found


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
        os.replace(part, path)
    except OSError as exc:
        part.unlink(missing_ok=True)
        raise InvalidRequest(f"{path} cannot be written: {exc.strerror}") from exc
