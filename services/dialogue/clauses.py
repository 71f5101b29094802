"""Cuts a growing text into clauses that can be spoken on their own: whole sentences, and an early first piece."""

import re

# A sentence's end: its mark, closing quotes, and the space that shows that it is none of "3.5" or "e.g.x". Each run of
# marks is looked at once: a model that loses itself may write thousands of them.
_SENTENCE = re.compile(r"(?<![.!?…])[.!?…]++[\"')\]]*+\s+|\n+")
_COMMA = re.compile(r"[,;:—]\s+")
# Words on their own: "test." and "no." end a sentence.
_ABBREVIATION = re.compile(r"\b(?:mr|mrs|ms|dr|st|e\.g|i\.e|vs|approx)\.$", re.I)
# Longer than the longest of them, so that what stands before it is seen too.
_LOOK_BACK = 12
_FIRST_MIN = 24
_MAX = 240


class Clauses:
    def __init__(self) -> None:
        self._text = ""
        self._said = False

    def add(self, piece: str) -> list[str]:
        """The clauses that this piece completes."""
        self._text += piece
        made = []
        while (end := self._boundary()) is not None:
            clause, self._text = self._text[:end].strip(), self._text[end:]
            if clause:
                made.append(clause)
                self._said = True
        return made

    def rest(self) -> list[str]:
        """What is left when no more text comes."""
        clause, self._text = self._text.strip(), ""
        return [clause] if clause else []

    def _boundary(self) -> int | None:
        for match in _SENTENCE.finditer(self._text):
            end = match.start() + 1
            if not _ABBREVIATION.search(self._text[max(0, end - _LOOK_BACK) : end]):
                return match.end()
        if not self._said and (comma := _COMMA.search(self._text, _FIRST_MIN)):
            return comma.end()
        if len(self._text) > _MAX and (space := self._text.rfind(" ", 0, _MAX)) > 0:
            return space + 1
        return None
