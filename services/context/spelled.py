"""Names of contacts as they are written, found in a text: so that they can be hidden from who need not know them."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from services.context.contacts import Contact

_MARKS = '.,;:!?()[]{}"*/_<>|\u2026\u2013\u2014\u201c\u201d\u00ab\u00bb'
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*|(?<=\n)\.(?=\n)")
# Names that are other words too: alone they are somebody only where they are written as one, within a sentence.
_FILE = Path(__file__).with_name("also_words.txt")


@lru_cache(maxsize=1)
def _also_words() -> frozenset[str]:
    lines = _FILE.read_text("utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


class Spelled:
    def __init__(self, contacts: Sequence[Contact]) -> None:
        self._also = _also_words()
        # First word -> (all its words, the name), the longest first; in lower case.
        self._names: dict[str, list[tuple[list[str], str]]] = {}
        for name in sorted({name for contact in contacts for name in _written(contact)}, key=lambda n: (-len(n), n)):
            if words := _words(name.lower().replace("\u2019", "'")):
                self._names.setdefault(words[0], []).append((words, name))
        self._begin = {*self._names, *(f"{word}'s" for word in self._names)}

    def found_in(self, texts: Sequence[str]) -> list[str]:
        """Each once, in the order of the alphabet."""
        joined = "\n.\n".join(texts).lower().replace("\u2019", "'")
        if not self._begin.intersection(_roughly(joined)):
            return []
        words = _words(joined)
        found = {name for at, word in enumerate(words) if word in self._names for name in self._at(words, at)}
        also = {name for name in found if name.lower() in self._also}
        return sorted(name for name in found if name not in also or any(_is_name(name, text) for text in texts))

    def _at(self, words: list[str], at: int) -> Iterator[str]:
        return (name for its, name in self._names[words[at]] if words[at : at + len(its)] == its)


def _is_name(name: str, text: str) -> bool:
    """Whether it is written as a name wherever it stands, and once at least within a sentence."""
    found = list(re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.I))
    within = any(re.search(r"[\w,;:]\s+$", text[: m.start()]) for m in found)
    return within and all(m.group()[0].isupper() for m in found)


def _written(contact: Contact) -> Iterator[str]:
    for name in (contact.name, contact.given, contact.family, *contact.nicknames):
        name = " ".join(name.split())
        if len(name) > 1:
            yield name


def _roughly(text: str) -> list[str]:
    """The words of a text, at a third of the cost: mostly nobody is named."""
    for mark in _MARKS:
        text = text.replace(mark, " ")
    return text.split()


def _words(text: str) -> list[str]:
    """Without a genitive's end. A full stop between two texts is a word of its own."""
    return [word[:-2] if word.endswith("'s") else word for word in _WORD.findall(text)]
