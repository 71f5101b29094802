"""Identifiers. What follows from an event derives its id from it, so that doing it again gives the same id.

UUID version 5 (RFC 9562, section 5.5), written out because uuid.uuid5 costs three times as much.
"""

import hashlib
import re
import uuid
from collections.abc import Callable

from parlance.randomness import Random

_NAMESPACE = uuid.UUID("6d0b7f2e-5a0c-5f5e-9d0e-2f6a7c1b9a11").bytes
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_bits = Random(16)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def derived(*parts: object) -> str:
    """The UUIDv5 of the parts, joined by "/"."""
    return _uuid5("/".join(map(str, parts)))


def event_id(run: str, cause: str, kind: str, n: int = 0) -> str:
    """The id of the n-th event of this kind that `cause` led to."""
    return _uuid5(f"{run}/{cause}/{kind}/{n}")


def terminal_id(run: str, turn_id: str) -> str:
    """The id of a turn's end: from run and turn alone, so that whoever comes second is a duplicate."""
    return _uuid5(f"{run}/{turn_id}/terminal")


def call_id(cause: str, method: str, n: int) -> str:
    """The id of the n-th call of `method` ("Llm.Answer") in handling the event `cause`."""
    return _uuid5(f"{cause}/{method}/{n}")


def _uuid5(name: str) -> str:
    return _written(hashlib.sha1(_NAMESPACE + name.encode(), usedforsecurity=False).hexdigest(), "5")


def _written(h: str, version: str) -> str:
    """At least 32 hexadecimal digits as a UUID."""
    return f"{h[:8]}-{h[8:12]}-{version}{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:32]}"


def _uuid4() -> str:
    return _written(_bits.take().hex(), "4")


_random: Callable[[], str] = _uuid4


def is_uuid(text: str) -> bool:
    """Whether it is written as these ids are: in lower case."""
    return _UUID.fullmatch(text) is not None


def new() -> str:
    """A fresh random id: for what nothing of ours caused (a turn, a device, a session)."""
    return _random()


def use(source: Callable[[], str] | None) -> None:
    """Take fresh ids from `source` (a simulation's seeded one); None: random again."""
    global _random
    _random = source or _uuid4
