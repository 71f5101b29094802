"""The seven spoken requests: what each must be taken for, and what its reply must hold."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parlance.cli_talk import Talk
from tests.e2e.conftest import ROOT, Platform

AUDIO = ROOT / "examples/audio"
# Spoken by flite, which is heard as "Anus" or "N is": contact names are matched by sound.
HARDER = ROOT / "tests/e2e/audio"


@dataclass(frozen=True)
class Request:
    """`reply`: a pattern that a right reply has in it, in lower case."""

    name: str
    words: str
    intent: str
    reply: str

    @property
    def file(self) -> Path:
        harder = HARDER / f"{self.name}.wav"
        return harder if harder.exists() else AUDIO / harder.name

    def is_right(self, told: dict[str, Any]) -> bool:
        return told["intent"] == self.intent and re.search(self.reply, told["reply"].lower()) is not None


# The order counts: the list is shown after something was put on it.
REQUESTS = [
    Request("what-time-is-it-in-tokyo", "What time is it in Tokyo?", "time.now", r"^it is .*\bin tokyo"),
    Request("what-is-seven-times-twelve", "What is seven times twelve?", "calc.evaluate", r"\b84\b"),
    Request("put-milk-on-my-shopping-list", "Put milk on my shopping list.", "list.add", r"^(i put )?milk .*shopping"),
    Request("whats-on-my-shopping-list", "What's on my shopping list?", "list.show", r"shopping list has .*milk"),
    Request("when-is-my-next-meeting", "When is my next meeting?", "calendar.next", r"^your next meeting is .* calend"),
    Request(
        "what-is-annas-number", "What is Anna's number?", "contacts.phone", r"anna .*020 7946 0123.* your contacts"
    ),
    Request("set-a-timer-for-ten-seconds", "Set a timer for ten seconds.", "timer.set", r"\b10 seconds?\b"),
]


def import_examples(platform: Platform) -> None:
    for kind, file in (("contacts", "contacts.vcf"), ("calendar", "calendar.ics")):
        done = platform.json("import", kind, ROOT / "examples" / file)
        assert done["added"] > 0 and not done["problems"]


def say(platform: Platform, file: Path, out: Path | None = None, stay: float = 0) -> dict[str, Any]:
    """What `parlance say FILE --json` prints, without a process of its own; the reply's sound goes to `out`."""
    talk = Talk(platform.grpc_address, lambda who, text: None, stays=stay > 0)
    talk.send_file(file)
    asyncio.run(talk.run(stay))
    if out is not None:
        talk.save(out)
    return talk.as_json()
