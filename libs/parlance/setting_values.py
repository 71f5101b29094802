"""What a setting may say, each by the name of its variable. Raises InvalidRequest, which names it, where it makes no
sense."""

import re
from collections.abc import Sequence
from pathlib import Path

from parlance.errors import InvalidRequest

_HOST_PORT = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})")


def seconds(value: str | None, name: str, default: float) -> float:
    if not value:
        return default
    if not value.isdecimal():
        raise InvalidRequest(f"{name} must be a whole number of seconds, not '{value}'")
    return float(value)


def port(value: str | None, name: str, default: int) -> int:
    if not value:
        return default
    if not value.isdigit() or not 0 < int(value) < 65536:
        raise InvalidRequest(f"{name} must be a port number, not '{value}'")
    return int(value)


def address(value: str | None, name: str) -> str:
    found = _HOST_PORT.fullmatch(value) if value else None
    if value and (found is None or not 0 < int(found[1]) < 65536):
        raise InvalidRequest(f"{name} must be HOST:PORT, such as 0.0.0.0:50051, not '{value}'")
    return value or ""


def url(value: str | None, name: str) -> str:
    if value and not re.fullmatch(r"https?://[^/\s]+(/\S*)?", value):
        raise InvalidRequest(f"{name} must be a URL such as http://127.0.0.1:4318, not '{value}'")
    return (value or "").rstrip("/")


def folder(value: str | None, name: str) -> Path | None:
    if value and not Path(value).is_dir():
        raise InvalidRequest(f"{name} must be a folder that exists, not '{value}'")
    return Path(value) if value else None


def file(value: str | None, name: str) -> Path | None:
    if value and not Path(value).expanduser().is_file():
        raise InvalidRequest(f"{name} must be a file that exists, not '{value}'")
    return Path(value).expanduser() if value else None


def yes(value: str | None, name: str) -> bool:
    if value not in (None, "", "0", "1"):
        raise InvalidRequest(f"{name} is 1, or not set; not '{value}'")
    return value == "1"


def one_of(value: str, name: str, known: Sequence[str]) -> str:
    if value.lower() not in known:
        raise InvalidRequest(f"{name} is one of {', '.join(known)}, not '{value}'")
    return value.lower()
