"""What the emulator does, read from a JSON file and flags, and checked.

    {"slots": 8, "first_delay_s": 0.2, "chunk_delay_s": 0.02, "models": ["emulated"], "seed": 1,
     "answers": [{"contains": "weather", "text": "It is sunny."}, {"text": "I am only emulated."}],
     "faults": [{"fault": "429", "share": 0.1, "retry_after_s": 2}, {"fault": "cut", "contains": "break off"}]}

slots          how many questions are answered at once; the others wait
first_delay_s  seconds from a free slot to the first piece (a word) of the answer
chunk_delay_s  seconds from one piece to the next; 0: all pieces at once
models         those that there are; another one is refused with 404
seed           of the chance by which faults strike
answers        the first whose words (contains, in any case) are in the question; one without words answers all others
faults         the first that strikes: in a share of the questions (above 0, at most 1; without it: all) whose text
               contains these words (without them: all questions)
  429          refused at once, with Retry-After (retry_after_s, 1)
  500          refused at once
  stall        silence after so many pieces (after, 0) until the client hangs up; its slot is taken for so long
  cut          the connection ends after so many pieces (after; without it: half of them)
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KINDS = ("429", "500", "stall", "cut")
TEXT = "I am an emulated model. I know nothing, but I say it at the speed that you choose."


class BadSettings(ValueError):
    """The message says which setting is wrong, and what it may be."""


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    contains: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """`after`: pieces of the answer that come before it; None: as the kind has it."""

    fault: str
    share: float = 1.0
    contains: str = ""
    retry_after_s: int = 1
    after: int | None = None

    def begins(self, pieces: int) -> int:
        """After how many of so many pieces it strikes."""
        usual = pieces // 2 if self.fault == "cut" else 0
        return min(pieces, usual if self.after is None else self.after)


@dataclass(frozen=True, slots=True)
class Settings:
    slots: int = 8
    first_delay_s: float = 0.2
    chunk_delay_s: float = 0.02
    models: tuple[str, ...] = ("emulated",)
    seed: int = 1
    answers: tuple[Answer, ...] = (Answer(TEXT),)
    faults: tuple[Fault, ...] = ()


def load(file: str) -> dict[str, Any]:
    """What a JSON file says, unchecked. Raises BadSettings where it holds no JSON object."""
    try:
        said = json.loads(Path(file).read_text())
    except OSError as exc:
        raise BadSettings(f"{file} cannot be read: {exc.strerror}") from exc
    except ValueError as exc:  # no JSON, or no UTF-8
        raise BadSettings(f"{file} is no JSON: {exc}") from exc
    if not isinstance(said, dict):
        raise BadSettings(f"{file}: settings are a JSON object, {{...}}")
    return said


def made(said: Mapping[str, Any]) -> Settings:
    """Settings of what a file or flags say; what they do not say is as usual. Raises BadSettings."""
    return Settings(**_fields("", said, _SETTINGS))


def fault(text: str) -> dict[str, Any]:
    """A fault as a flag says it, KIND:SHARE or KIND:WORDS, as a file would. Raises BadSettings."""
    kind, colon, how = text.partition(":")
    if not colon or not how.strip():
        raise BadSettings(f"a fault is KIND:SHARE (429:0.1) or KIND:WORDS ('cut:break off'), not '{text}'")
    try:
        said: dict[str, Any] = {"fault": kind, "share": float(how)}
    except ValueError:
        said = {"fault": kind, "contains": how}
    _one_fault("--fault", said)
    return said


def _fields(place: str, said: Any, known: Mapping[str, Callable[[str, Any], Any]]) -> dict[str, Any]:
    if not isinstance(said, Mapping):
        raise BadSettings(f"{place} is a JSON object, not {said!r}")
    at = f"{place}." if place else ""
    if unknown := sorted(str(name) for name in said.keys() - known.keys()):
        raise BadSettings(f"there is no setting {at}{unknown[0]}; there are {', '.join(known)}")
    return {name: known[name](f"{at}{name}", value) for name, value in said.items()}


def _number(low: float, high: float, *, whole: bool = False, above: bool = False) -> Callable[[str, Any], Any]:
    """A number from `low` (`above`: which it must be more than) to `high`; NaN is in no such range."""

    def check(place: str, value: Any) -> Any:
        kinds: tuple[type, ...] = (int,) if whole else (int, float)
        fits = isinstance(value, kinds) and not isinstance(value, bool)
        if not fits or not (low < value <= high if above else low <= value <= high):
            name = "a whole number" if whole else "a number"
            span = f"above {low:g}, at most {high:g}" if above else f"from {low:g} to {high:g}"
            raise BadSettings(f"{place} is {name} {span}, not {value!r}")
        return value

    return check


def _text(place: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadSettings(f"{place} is a text that is not empty, not {value!r}")
    return value


def _list(place: str, value: Any, each: Callable[[str, Any], Any]) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise BadSettings(f"{place} is a list, not {value!r}")
    return tuple(each(f"{place}[{n}]", item) for n, item in enumerate(value))


def _some(place: str, value: Any, each: Callable[[str, Any], Any]) -> tuple[Any, ...]:
    found = _list(place, value, each)
    if not found:
        raise BadSettings(f"{place} names at least one")
    return found


def _one_answer(place: str, said: Any) -> Answer:
    found = _fields(place, said, {"text": _text, "contains": _text})
    if "text" not in found:
        raise BadSettings(f"{place} has no text")
    return Answer(**found)


def _kind(place: str, value: Any) -> str:
    if value not in KINDS:
        raise BadSettings(f"{place} is one of {', '.join(KINDS)}, not {value!r}")
    return str(value)


def _one_fault(place: str, said: Any) -> Fault:
    found = _fields(place, said, _FAULT)
    if "fault" not in found:
        raise BadSettings(f"{place} does not say which: fault is one of {', '.join(KINDS)}")
    return Fault(**found)


_FAULT: dict[str, Callable[[str, Any], Any]] = {
    "fault": _kind,
    "share": _number(0, 1, above=True),
    "contains": _text,
    "retry_after_s": _number(0, 3600, whole=True),
    "after": _number(0, 100_000, whole=True),
}
_SETTINGS: dict[str, Callable[[str, Any], Any]] = {
    "slots": _number(1, 100_000, whole=True),
    "first_delay_s": _number(0, 3600),
    "chunk_delay_s": _number(0, 3600),
    "models": lambda place, value: _some(place, value, _text),
    "seed": _number(0, 2**32, whole=True),
    "answers": lambda place, value: _some(place, value, _one_answer),
    "faults": lambda place, value: _list(place, value, _one_fault),
}
