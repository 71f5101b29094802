"""Identifiers. What follows from an event derives its id from it, so that doing it again gives the same id.

UUID version 5 (RFC 9562, section 5.5), written out because uuid.uuid5 costs three times as much.
"""

import hashlib
import uuid
from collections.abc import Callable

_NAMESPACE = uuid.UUID("6d0b7f2e-5a0c-5f5e-9d0e-2f6a7c1b9a11").bytes
_random: Callable[[], str] = lambda: str(uuid.uuid4())  # noqa: E731 - replaced whole by `use`


def derived(*parts: object) -> str:
    """The UUIDv5 of the parts, joined by "/"."""
    digest = bytearray(hashlib.sha1(_NAMESPACE + "/".join(map(str, parts)).encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def event_id(run: str, cause: str, kind: str, n: int = 0) -> str:
    """The id of the n-th event of this kind that `cause` led to."""
    return derived(run, cause, kind, n)


def terminal_id(run: str, turn_id: str) -> str:
    """The id of a turn's end: from run and turn alone, so that whoever comes second is a duplicate."""
    return derived(run, turn_id, "terminal")


def call_id(cause: str, method: str, n: int) -> str:
    """The id of the n-th call of `method` ("Llm.Answer") in handling the event `cause`."""
    return derived(cause, method, n)


def new() -> str:
    """A fresh random id: for what nothing of ours caused (a turn, a device, a session)."""
    return _random()


def use(source: Callable[[], str] | None) -> None:
    """Take fresh ids from `source` (a simulation's seeded one); None: random again."""
    global _random
    _random = source or (lambda: str(uuid.uuid4()))
