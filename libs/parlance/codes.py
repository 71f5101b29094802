"""The names of the protos' enums as codes, for labels, spans and JSON."""

from functools import lru_cache
from typing import Any


@lru_cache(maxsize=4096)
def code_of(enum: Any, number: int) -> str:
    """ErrorCode, 4: "rate_limited". Unspecified: ""; the number, where a newer Parlance has written it."""
    if number not in enum.values():
        return str(number)
    prefix = enum.Name(0).removesuffix("UNSPECIFIED")
    return enum.Name(number).removeprefix(prefix).lower() if number else ""
