"""Contacts: made from vCards, kept as JSON, told in sentences."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date

from services.context.vcard import VCard, cards

SOURCE = "your contacts"
_KINDS = {"cell": "mobile", "mobile": "mobile", "iphone": "mobile", "work": "work", "home": "home"}
_PERSONAL_MAX = 200


@dataclass(frozen=True, slots=True)
class Contact:
    """`phones`, `emails` and `addresses`: (kind, value), the preferred one first.
    `birthday`: "1990-05-03" or "--05-03"."""

    uid: str
    name: str
    given: str = ""
    family: str = ""
    nicknames: list[str] = field(default_factory=list)
    phones: list[list[str]] = field(default_factory=list)
    emails: list[list[str]] = field(default_factory=list)
    addresses: list[list[str]] = field(default_factory=list)
    birthday: str = ""

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True).encode()

    @staticmethod
    def from_bytes(data: bytes) -> "Contact":
        return Contact(**json.loads(data))


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of a contact. `found`: False where the contact has no such thing."""

    found: bool
    say: str
    lines: list[str] = field(default_factory=list)


def read(content: bytes) -> Iterator[Contact | str]:
    """The contacts of a vCard file; a string is a problem: why a card was skipped."""
    for card in cards(content):
        made = card.problem or _contact(card)
        yield f"line {card.line}: {made}" if isinstance(made, str) else made


def tell(query: str, contact: Contact, text: str = "") -> Told:
    """The answer to "contacts.phone", "contacts.email", "contacts.address" or "contacts.birthday"."""
    match query.partition(".")[2]:
        case "email":
            return _listed(contact, "email address", contact.emails, text, _say_email)
        case "address":
            return _listed(contact, "address", contact.addresses, text, lambda value: value)
        case "birthday":
            return _birthday(contact)
    return _listed(contact, "number", contact.phones, text, lambda value: value)


def possessive(name: str) -> str:
    return f"{name}'" if name.endswith("s") else f"{name}'s"


def _contact(card: VCard) -> Contact | str:
    name_parts = next((p.parts() for p in card.all("N")), [])
    family, given = [*name_parts, "", ""][:2]
    full = card.first("FN") or " ".join(part for part in (given, family) if part) or card.first("ORG").replace(";", " ")
    name = " ".join(full.split())[:_PERSONAL_MAX]
    if not name:
        return "the card names nobody (FN or N is needed)"
    phones = _kinds(card, "TEL")
    emails = _kinds(card, "EMAIL")
    uid = card.first("UID") or f"{name}|{phones[:1]}|{emails[:1]}"
    return Contact(
        uid=hashlib.sha256(uid.encode()).hexdigest(),
        name=name,
        given=given or (name.split()[0] if " " in name else name),
        family=family,
        nicknames=[part for p in card.all("NICKNAME") for part in p.parts(",") if part],
        phones=phones,
        emails=emails,
        addresses=_addresses(card),
        birthday=_day(card.first("BDAY")),
    )


def _kinds(card: VCard, name: str) -> list[list[str]]:
    found = sorted(card.all(name), key=lambda p: "pref" not in p.types)
    values = [(p.types, re.sub(r"^(?:tel|mailto):", "", p.text.strip(), flags=re.IGNORECASE)) for p in found]
    return [[_kind(types), value] for types, value in values if value]


def _kind(types: frozenset[str]) -> str:
    return next((kind for word, kind in _KINDS.items() if word in types), "")


def _addresses(card: VCard) -> list[list[str]]:
    made = []
    for p in sorted(card.all("ADR"), key=lambda p: "pref" not in p.types):
        box, more, street, city, region, code, country = [*p.parts(), *[""] * 7][:7]
        parts = [part.replace("\n", ", ") for part in (box, more, street, city, region, code, country) if part]
        if parts:
            made.append([_kind(p.types), ", ".join(parts)])
    return made


def _day(text: str) -> str:
    found = re.match(r"(\d{4}|--)-?(\d{2})-?(\d{2})", text)
    if found is None:
        return ""
    try:
        date(2000 if found[1] == "--" else int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return ""
    year = found[1] if found[1] != "--" else "-"
    return f"{year}-{found[2]}-{found[3]}"


def _listed(contact: Contact, what: str, values: Sequence[Sequence[str]], text: str, say: Callable[[str], str]) -> Told:
    if not values:
        return Told(False, f"I have no {what} for {contact.name} in {SOURCE}.")
    wanted = next((kind for word, kind in _KINDS.items() if re.search(rf"\b{word}\b", text.lower())), "")
    kind, value = next(((k, v) for k, v in values if wanted and k == wanted), tuple(values[0]))
    named = f"{kind} {what}" if kind and (wanted == kind or len(values) > 1) else what
    said = f"{possessive(contact.name)} {named} is {say(value)}, from {SOURCE}."
    return Told(True, said, [f"{k}: {v}" if k else v for k, v in values])


def _say_email(address: str) -> str:
    return re.sub(r"\s+", " ", address.replace("@", " at ").replace(".", " dot ").replace("_", " underscore "))


def _birthday(contact: Contact) -> Told:
    if not contact.birthday:
        return Told(False, f"I have no birthday for {contact.name} in {SOURCE}.")
    year, month, day = contact.birthday.rsplit("-", 2)
    known = date(2000 if year.startswith("-") else int(year), int(month), int(day))
    said = f"{known:%B} {known.day}" + ("" if year.startswith("-") else f", {known.year}")
    return Told(True, f"{possessive(contact.name)} birthday is {said}, from {SOURCE}.", [said])
