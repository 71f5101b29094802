"""A file of secrets, a line each: NAME=value. Only its owner may read it."""

import re
import stat
from collections.abc import Iterator
from pathlib import Path

from parlance.errors import InvalidRequest

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read(path: Path) -> dict[str, str]:
    """The secrets by name; none where there is no such file. Empty lines and those that begin with # are skipped.

    Raises InvalidRequest where others may read it, or where it makes no sense; the message holds nothing of what is in
    it."""
    try:
        if others := stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise InvalidRequest(
                f"{path} holds keys, and others may read or write it (rights {others:03o} beyond its owner's): "
                f"type chmod 600 {path}"
            )
        text = path.read_text()
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise InvalidRequest(f"the secrets in {path} cannot be read ({exc.strerror})") from None
    except UnicodeDecodeError:
        raise InvalidRequest(f"the secrets in {path} are no UTF-8 text") from None
    return dict(_lines(path, text))


def _lines(path: Path, text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        said = line.strip()
        if not said or said.startswith("#"):
            continue
        name, equals, value = said.removeprefix("export ").partition("=")
        if not equals or not _NAME.fullmatch(name.strip()):
            raise InvalidRequest(f"{path}, line {number}: a line is NAME=value, such as ANTHROPIC_API_KEY=...")
        yield name.strip(), _unquoted(value.strip())


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value
