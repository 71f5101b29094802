"""What of an answer has been told, word by word, so that another model can go on after it: no word twice, none lost.

While somebody else could go on, the last word is held back until its end is known: an answer that breaks off inside a
word then has told whole words alone.
"""

import re

_WORD = re.compile(r"\S+")
# A second beginning is believed from so many equal words on; so many words of the end may come again.
_BEGINS, _REPEATS = 3, 12
# What people say twice in a row and mean it; numbers too (a telephone's). Any other word that comes again alone was
# told before: "that that" loses little where it was meant.
_SAID_TWICE = (
    "bye choo cha far ha had haha he heh hey ho hop hush knock la long many no now oh quack really shh so tap tick "
    "tut very wait well woof yes ja nein na sehr so viel weit muy s\u00ed ya tr\u00e8s oui non molto"
)
_DOUBLED = frozenset(_SAID_TWICE.split())


class Words:
    """`held`: the last word waits for its end."""

    def __init__(self, held: bool) -> None:
        self.held = held
        self._told: list[str] = []
        self._tail = ""

    @property
    def told(self) -> str:
        return "".join(self._told)

    def add(self, text: str) -> str:
        """What of it can be told now."""
        if not self.held:
            self._told.append(text)
            return text
        text = self._tail + text
        at = len(text) if not text or text[-1].isspace() else len(text) - len(text.rsplit(None, 1)[-1])
        self._tail, now = text[at:], text[:at]
        if now:
            self._told.append(now)
        return now

    def rest(self) -> str:
        """The last word, at the answer's end."""
        now, self._tail = self._tail, ""
        if now:
            self._told.append(now)
        return now

    def drop(self) -> None:
        """The answer broke off: a word that was held is told by whoever goes on."""
        self._tail = ""


class Diverges(Exception):
    """Who was to go on began again and says something else."""


class Seam:
    """What another model says after `told`, without what it says again: the whole beginning, or the last words."""

    def __init__(self, told: str) -> None:
        self._words = _WORD.findall(told)
        self._gap = not told or told[-1].isspace()
        self._pending = ""
        self._open = bool(self._words)

    def add(self, text: str) -> str:
        """Text that is new. Raises Diverges."""
        if not self._open:
            return text
        self._pending += text
        return self._decide(last=False)

    def rest(self) -> str:
        """What is new of the text that was undecided at the end. Raises Diverges."""
        return self._decide(last=True) if self._open else ""

    def _decide(self, last: bool) -> str:
        found = list(_WORD.finditer(self._pending))
        if found and not last and found[-1].end() == len(self._pending):
            found.pop()  # its end is not known
        said = [m[0] for m in found]
        if not last and self._undecided(said):
            return ""
        again = self._again(said)
        self._open = False
        if again == len(found):
            return self._joined(self._pending[found[-1].end() if found else 0 :] if again else self._pending)
        return self._joined(self._pending[found[again].start() :])

    def _joined(self, text: str) -> str:
        return text.lstrip() if self._gap else text if text[:1].isspace() or not text else " " + text

    def _undecided(self, said: list[str]) -> bool:
        """More words are needed to tell."""
        if not said:
            return True
        if len(said) < len(self._words) and said == self._words[: len(said)]:
            return True
        longest = min(_REPEATS, len(self._words))
        return any(said == self._words[-n:][: len(said)] for n in range(len(said) + 1, longest + 1))

    def _again(self, said: list[str]) -> int:
        """How many of its first words were told before. Raises Diverges."""
        if said[: len(self._words)] == self._words:
            return len(self._words)
        for n in range(min(_REPEATS, len(self._words), len(said)), 1, -1):
            if said[:n] == self._words[-n:]:
                return n
        if said[:1] == self._words[-1:] and not _may_double(said[0]):
            return 1
        alike = next((n for n, (a, b) in enumerate(zip(said, self._words, strict=False)) if a != b), 0)
        if alike >= _BEGINS:
            raise Diverges
        return 0


def _may_double(word: str) -> bool:
    """Whether somebody who has just said it may say it once more and mean it."""
    plain = word.strip(".,;:!?\"'()\u201c\u201d\u2018\u2019\u2026-\u2013\u2014").casefold()
    return plain in _DOUBLED or not any(c.isalpha() for c in plain)
