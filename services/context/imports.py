"""From a file of contacts or a calendar to rows."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from parlance.errors import InvalidRequest
from services.context import calendar, contacts

MAX_BYTES = 20_000_000
_MAX_PROBLEMS = 50


@dataclass(slots=True)
class Parsed:
    """`rows`: uid -> content. `skipped` of the file's entries could not be used; `problems` say why, a line each."""

    rows: dict[str, bytes] = field(default_factory=dict)
    skipped: int = 0
    problems: list[str] = field(default_factory=list)


def parse(kind: str, content: bytes) -> Parsed:
    """Raises InvalidRequest where the file is nothing of the kind."""
    if len(content) > MAX_BYTES:
        raise InvalidRequest(f"the file is larger than {MAX_BYTES // 10**6} MB: split it")
    head = content[:4096].decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "ignore").upper()
    if kind == "contacts":
        if "BEGIN:VCARD" not in head:
            raise InvalidRequest("that is no vCard file: export your contacts as .vcf (its first line is BEGIN:VCARD)")
        return _collect((c if isinstance(c, str) else (c.uid, c.to_bytes())) for c in contacts.read(content))
    if kind == "calendar":
        if "BEGIN:VCALENDAR" not in head:
            raise InvalidRequest(
                "that is no iCalendar file: export your calendar as .ics (its first line is BEGIN:VCALENDAR)"
            )
        return _calendar(content)
    raise InvalidRequest("what to import must be 'contacts' (a vCard file) or 'calendar' (an iCalendar file)")


def _calendar(content: bytes) -> Parsed:
    try:
        if b"END:VCALENDAR" not in content.upper():
            raise ValueError("cut off")
        return _collect((e if isinstance(e, str) else (e.uid, e.ics)) for e in calendar.read(content))
    except ValueError as exc:
        raise InvalidRequest("the iCalendar file is damaged (is its end missing?): export it again") from exc


def _collect(entries: Iterator[str | tuple[str, bytes]]) -> Parsed:
    made = Parsed()
    for entry in entries:
        if isinstance(entry, tuple):
            made.rows[entry[0]] = entry[1]
            continue
        made.skipped += 1
        if len(made.problems) < _MAX_PROBLEMS:
            made.problems.append(entry)
    if made.skipped > _MAX_PROBLEMS:
        made.problems.append(f"and {made.skipped - _MAX_PROBLEMS} more")
    return made
