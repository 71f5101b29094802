"""Where a text says who somebody is: the names it was told to look for, and what can be known by its look."""

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from parlance.v1.llm_service_pb2 import Identifier

# How a placeholder is called, by the kind of an identifier; of other kinds: NAME.
_STEMS = {"person": "PERSON", "place": "PLACE"}
_OTHER = "NAME"
STEMS = (*_STEMS.values(), _OTHER, "EMAIL", "IBAN", "CARD", "PHONE", "IP", "ADDRESS")

_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@[\w-]+(?:\.[\w-]+)+")
_IBAN = re.compile(r"(?<![^\W_])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![^\W_])", re.I | re.A)
# Without one of them a text holds none of what follows.
_TELLING = re.compile("[0-9:]")
_DIGITS = re.compile(r"[0-9]{3,}(?:[ -][0-9]{3,})*")
_PHONE = re.compile(
    # with its country, with its area (as in North America, as elsewhere), without
    r"(?<![0-9])(?:\+|00)[1-9](?:[ ().\-/]{0,2}[0-9]){6,14}(?![0-9])"
    r"|(?<![0-9.,-])(?:1[-. ])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[-. ])[0-9]{3}[-. ][0-9]{4}(?![0-9])"
    r"|(?<![0-9.,-])\(?0[1-9][0-9]{1,4}\)?[ /-][0-9](?:[ -]?[0-9]){4,9}(?![0-9])"
    r"|(?<![0-9.,-])0[1-9][0-9]{8,9}(?![0-9])"
    r"|(?<![0-9.,-])[2-9][0-9]{2}-[0-9]{4}(?![0-9-])"
)
_IP = re.compile(
    r"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9]|\.[0-9])"
    r"|(?<![0-9A-Za-z:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){3,7}(?![0-9A-Za-z:])"
)
_ADDRESS = re.compile(
    r"(?<![^\W_])[0-9]{1,5}[A-Za-z]? (?:[A-Z0-9][\w'.-]* ){1,4}?"
    r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Place|Pl|Square|Sq|Terrace|Highway|Hwy"
    r"|Parkway|Pkwy|Way|Crescent|Close)\b(?:\.?,? (?:Apt|Apartment|Unit|Suite|Flat)\.? [0-9]+[A-Za-z]?)?"
    r"|(?<![^\W_])[A-ZÄÖÜ][\w-]*(?:straße|strasse|weg|platz|allee|gasse|damm|ufer) [0-9]{1,4}[a-z]?(?![^\W_])"
)
# Scripts that write no space between words: a name is found in the middle of others.
_UNSPACED = re.compile("[\u0e00-\u0eff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")


@dataclass(frozen=True, slots=True)
class Found:
    """`text[start:end]` says who somebody is. The character after it is never a digit."""

    start: int
    end: int
    stem: str


Find = Callable[[str], list[Found]]


def finder(identifiers: Iterable[Identifier]) -> Find:
    """Finds what a text says of who somebody is, in order, none over another."""
    named = [(regex, stem) for stem, regex in _named(identifiers).items()]

    def find(text: str) -> list[Found]:
        names = (Found(*m.span(1), stem) for regex, stem in named for m in regex.finditer(text))
        return _merged(text, sorted(chain(_known_by_look(text), names), key=lambda f: (f.start, -f.end)))

    return find


def same(text: str) -> str:
    """Equal for two ways of writing one identifier."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def _named(identifiers: Iterable[Identifier]) -> dict[str, re.Pattern[str]]:
    """For each stem what finds its names: as whole words, with a plural's or a genitive's "s", in any case."""
    words: dict[str, set[str]] = {}
    for identifier in identifiers:
        text = _bare(identifier.text)
        if text:
            forms = {unicodedata.normalize(form, text) for form in ("NFC", "NFD")}
            words.setdefault(_STEMS.get(identifier.kind, _OTHER), set()).update(forms)
    return {stem: _regex(texts) for stem, texts in words.items()}


def _regex(texts: set[str]) -> re.Pattern[str]:
    """Looks ahead only, so that of two names that overlap both are found."""
    spaced: list[str] = []
    unspaced: list[str] = []
    for text in sorted(texts, key=lambda t: (-len(t), t)):
        (unspaced if _UNSPACED.search(text) else spaced).append(r"\s+".join(map(re.escape, text.split())))
    kinds = []
    if spaced:
        kinds.append(rf"(?<![^\W_])(?:{'|'.join(spaced)})(?=s?(?![^\W_]))")
    if unspaced:
        kinds.append(f"(?:{'|'.join(unspaced)})(?![0-9])")
    return re.compile(f"(?=({'|'.join(kinds)}))", re.I)


def _bare(text: str) -> str:
    """Without the marks and spaces around it; "" where it holds no letter and no digit."""
    start, end = 0, len(text)
    while start < end and unicodedata.category(text[start])[0] in "PZCS":
        start += 1
    while end > start and unicodedata.category(text[end - 1])[0] in "PZCS":
        end -= 1
    return text[start:end] if any(c.isalnum() for c in text[start:end]) else ""


def _known_by_look(text: str) -> Iterator[Found]:
    if "@" in text:
        yield from _all(_EMAIL, "EMAIL", text)
    if not _TELLING.search(text):
        return
    for match in _IBAN.finditer(text):
        yield from _iban(match)
    for match in _DIGITS.finditer(text):
        yield from _cards(match)
    yield from (f for f in _all(_IP, "IP", text) if _is_address(text[f.start : f.end]))
    yield from _all(_PHONE, "PHONE", text)
    yield from _all(_ADDRESS, "ADDRESS", text)


def _all(regex: re.Pattern[str], stem: str, text: str) -> Iterator[Found]:
    return (Found(*m.span(), stem) for m in regex.finditer(text))


def _iban(match: re.Match[str]) -> Iterator[Found]:
    """With as much of what follows as its check digits say."""
    text = match.group()
    while text:
        plain = text.replace(" ", "").upper()
        if 15 <= len(plain) <= 34 and int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1:
            yield Found(match.start(), match.start() + len(text), "IBAN")
            return
        text = text.rpartition(" ")[0]


def _cards(match: re.Match[str]) -> Iterator[Found]:
    """Groups of digits, one after the other, that are a card's number together."""
    if match.end() - match.start() < 13:
        return
    groups = [m.span() for m in re.finditer("[0-9]+", match.group())]
    for first, (start, _) in enumerate(groups):
        for _, end in reversed(groups[first : first + 6]):
            digits = match.group()[start:end].replace(" ", "").replace("-", "")
            if 13 <= len(digits) <= 19 and _luhn(digits):
                yield Found(match.start() + start, match.start() + end, "CARD")
                break


def _luhn(digits: str) -> bool:
    doubled = (2 * int(d) for d in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(d - 9 if d > 9 else d for d in doubled)) % 10 == 0


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _merged(text: str, found: Iterable[Found]) -> list[Found]:
    """What overlaps is one. What a digit follows takes it along: it could not be told from a placeholder's."""
    made: list[Found] = []
    for each in found:
        end = each.end
        while end < len(text) and text[end] in "0123456789":
            end += 1
        if made and each.start < made[-1].end:
            last = made[-1]
            made[-1] = Found(last.start, max(last.end, end), last.stem)
        else:
            made.append(Found(each.start, end, each.stem))
    return made
