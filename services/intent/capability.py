"""What the language model is asked for, by a question's words: what only the web knows, code, a summary, or to talk.

Whoever has no model for the web is told so instead of an answer: so a question is for the web only where its words say
so clearly (capabilities.txt)."""

import re
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from parlance.v1.turn_pb2 import CAPABILITY_CHAT, Capability

_FILE = Path(__file__).with_name("capabilities.txt")
# A question is told by its beginning; what follows may be the text that it is about.
_LOOKED_AT = 300
_MARKS = re.compile(r"[^\w+#;]+")


def capability_of(text: str) -> Capability.ValueType:
    words = _MARKS.sub(" ", text[:_LOOKED_AT].lower()).strip()
    return next((capability for capability, pattern in _patterns() if pattern.search(words)), CAPABILITY_CHAT)


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[Capability.ValueType, "re.Pattern[str]"], ...]:
    """The lines of the file, those of one capability that follow each other joined into one expression."""
    words: dict[str, str] = {}
    lines: list[tuple[str, str]] = []
    for line in filter(None, _FILE.read_text("utf-8").splitlines()):
        if line.startswith("#"):
            continue
        if defined := re.match(r"([A-Z]+) = (.+)", line):
            words[defined[1]] = defined[2]
            continue
        name, pattern = line.split(maxsplit=1)
        for word, meaning in words.items():
            pattern = pattern.replace(f"{{{word}}}", meaning)
        lines.append((name, f"(?:{pattern})"))
    grouped = groupby(lines, key=lambda line: line[0])
    return tuple((Capability.Value(f"CAPABILITY_{name}"), re.compile("|".join(p for _, p in g))) for name, g in grouped)
