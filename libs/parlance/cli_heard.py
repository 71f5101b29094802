"""What the command line has heard of a turn."""

from dataclasses import dataclass, field
from typing import Any

from parlance.cli_sound import Sound


@dataclass(slots=True)
class Heard:
    """What came back in one turn, and of what was said unasked after it."""

    turn_id: str = ""
    transcript: str = ""
    clauses: list[str] = field(default_factory=list)
    # The web pages that the reply rests on.
    sources: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)
    ended: Any = None
    # Nothing of the turn sounds any more.
    silenced: bool = False
    over: bool = False
    sound: Sound = field(default_factory=Sound)
