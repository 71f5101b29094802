"""Reads vCard 2.1 (versit), 3.0 (RFC 2426) and 4.0 (RFC 6350) as they are found in the wild, broken ones included.

Written by hand, because the parsers at hand give up a whole file for one bad line; here a bad card is told and skipped.
"""

import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_LINE = re.compile(r"(?:[\w-]+\.)?(?P<name>[\w-]+)(?P<params>(?:;(?:\"[^\"]*\"|[^:\";])*)*):(?P<value>.*)", re.DOTALL)
_PARAM = re.compile(r";([^=;:]+)(?:=((?:\"[^\"]*\"|[^;:\"])*))?")
_ESCAPE = re.compile(r"\\(.)")
_LONGEST_LINE = 100_000


@dataclass(frozen=True, slots=True)
class Property:
    """One line: "TEL;TYPE=cell:020". `types` in lower case; `value` as it stands, escapes kept for `parts`."""

    name: str
    types: frozenset[str]
    value: str

    @property
    def text(self) -> str:
        return _unescaped(self.value)

    def parts(self, separator: str = ";") -> list[str]:
        """The components of a structured value, empty ones kept."""
        return [_unescaped(part).strip() for part in re.split(rf"(?<!\\){separator}", self.value)]


@dataclass(slots=True)
class VCard:
    """`line`: where it begins in the file, from 1. `problem`: why it cannot be used; "" where it can."""

    line: int
    properties: list[Property] = field(default_factory=list)
    problem: str = ""

    def all(self, name: str) -> list[Property]:
        return [p for p in self.properties if p.name == name and p.value.strip()]

    def first(self, name: str) -> str:
        return next((p.text.strip() for p in self.all(name)), "")


def cards(content: bytes) -> Iterator[VCard]:
    """Every card of a file, in order."""
    open_: VCard | None = None
    for number, line in _unfolded(_decoded(content)):
        found = _LINE.fullmatch(line)
        word = "" if found is None else f"{found['name']}:{found['value'].strip()}".upper()
        if word == "BEGIN:VCARD":
            if open_ is not None:
                open_.problem = "the card has no END:VCARD"
                yield open_
            open_ = VCard(number)
        elif open_ is not None and word == "END:VCARD":
            yield open_
            open_ = None
        elif open_ is not None:
            _take(open_, number, line, found)
    if open_ is not None:
        open_.problem = "the card has no END:VCARD"
        yield open_


def _take(card: VCard, number: int, line: str, found: "re.Match[str] | None") -> None:
    if found is not None:
        card.properties.append(_property(found))
    elif line.strip():
        card.problem = card.problem or f"line {number} is no 'NAME:value'"


def _decoded(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """(number, line): a line that begins with a space goes on with the one before, and so does one after the soft line
    break of quoted-printable."""
    number, held = 0, ""
    for at, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        soft = held.endswith("=") and "QUOTED-PRINTABLE" in held.partition(":")[0].upper()
        if number and len(held) < _LONGEST_LINE and (soft or line[:1] in (" ", "\t")):
            held = held[:-1] + line if soft else held + line[1:]
            continue
        if number:
            yield number, held
        number, held = at, line
    yield number, held


def _property(found: "re.Match[str]") -> Property:
    types: set[str] = set()
    params: dict[str, str] = {}
    for name, value in _PARAM.findall(found["params"]):
        key = name.strip().upper()
        if not value or key == "TYPE":  # vCard 2.1 writes "TEL;CELL:"
            types |= {t.strip().strip('"').lower() for t in (value or name).split(",")}
        else:
            params[key] = value.strip('"')
    value = found["value"]
    if "quoted-printable" in types or params.get("ENCODING", "").upper() == "QUOTED-PRINTABLE":
        value = _quoted_printable(value, params.get("CHARSET", "utf-8"))
    if params.get("PREF") == "1":
        types.add("pref")
    return Property(found["name"].upper(), frozenset(types), value)


def _quoted_printable(value: str, charset: str) -> str:
    plain = quopri.decodestring(value.encode("utf-8", "replace"))
    try:
        return plain.decode(charset)
    except (LookupError, UnicodeDecodeError):
        return plain.decode("utf-8", "replace")


def _unescaped(value: str) -> str:
    return _ESCAPE.sub(lambda m: "\n" if m[1] in "nN" else m[1], value)
