"""Live turns of the log as a replay file's: what was asked, when, by whom, and where it was interrupted."""

import re
import unicodedata
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError

from parlance.bus import Bus, topic_name
from parlance.errors import InvalidRequest
from parlance.events import TOPICS, kind, parse
from parlance.privacy import KeyDestroyed, Sealing
from parlance.v1.replay_pb2 import ReplayTurn
from parlance.v1.session_pb2 import SessionEvent
from parlance.v1.speech_pb2 import SpeechEvent
from parlance.v1.turn_pb2 import Header, Modality

# A turn's last word comes this long after its first one at most, and an interruption of what sounds a while later.
_AFTER_US = 900_000_000
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Turns asked from `from_us` on, before `to_us` (microseconds since 1970), of sessions that begin so.

    `query`: in which all of its words were said, whole or as the beginning of one, in any order. `user`: whose; empty:
    of all whose keys are here."""

    from_us: int = 0
    to_us: int = 1 << 62
    session: str = ""
    query: str = ""
    user: str = ""

    def has(self, header: Header) -> bool:
        at_us = header.asked_at_us or header.accepted_at_us
        if self.user not in ("", header.user_id):
            return False
        return self.from_us <= at_us < self.to_us and header.session_id.startswith(self.session)

    def says(self, text: str) -> bool:
        said = _words(text)
        return all(any(word.startswith(wanted) for word in said) for wanted in _words(self.query))


@dataclass(slots=True)
class _Asked:
    header: Header
    # None: the key that sealed it is gone.
    text: str | None
    interrupted_at_us: int = 0


@dataclass(slots=True)
class Recorded:
    """`unreadable`: turns whose key was destroyed. `silent`: spoken turns in which nothing was understood."""

    turns: list[ReplayTurn] = field(default_factory=list)
    unreadable: int = 0
    silent: int = 0


async def record(bus: Bus, sealing: Sealing, wanted: Wanted) -> Recorded:
    """Sessions get numbers in order of their first question. Raises InvalidRequest where no turn is as wanted."""
    made, asked = Recorded(), await _asked(bus, sealing, wanted)
    made.unreadable = sum(1 for one in asked.values() if one.text is None)
    made.silent = sum(1 for one in asked.values() if one.text == "")
    found = sorted(
        (one for one in asked.values() if one.text and wanted.says(one.text)),
        key=lambda a: (a.header.asked_at_us, a.header.turn_id),
    )
    if not found:
        about = f" and says '{wanted.query}'" if wanted.query else ""
        raise InvalidRequest(
            f"no live turn that was asked then{about} can be read; 'parlance turns' shows what there is"
        )
    names: dict[str, str] = {}
    people: dict[str, str] = {}
    for one in found:
        name = names.setdefault(one.header.session_id, f"talker-{len(names) + 1:04d}")
        person = people.setdefault(one.header.user_id, f"person-{len(people) + 1:04d}")
        made.turns.append(_turn(one, name, person, found[0].header.asked_at_us))
    return made


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _turn(asked: _Asked, name: str, person: str, start_us: int) -> ReplayTurn:
    header = asked.header
    made = ReplayTurn(
        at_us=header.asked_at_us - start_us,
        session=name,
        text=asked.text or "",
        modality=header.modality,
        as_of_us=header.asked_at_us,
        person=person,
    )
    if asked.interrupted_at_us:
        made.interrupt_after_us = max(1, asked.interrupted_at_us - header.asked_at_us)
    return made


async def _asked(bus: Bus, sealing: Sealing, wanted: Wanted) -> dict[str, _Asked]:
    """By turn id. What was said is in speech.v1, what was typed in session.v1."""
    found: dict[str, _Asked] = {}
    async with aclosing(_events(bus, SpeechEvent, wanted)) as spoken:
        async for event, _ in spoken:
            if kind(event) == "final" and wanted.has(event.header):
                found[event.header.turn_id] = _Asked(event.header, _text(sealing, event))
    async with aclosing(_events(bus, SessionEvent, wanted)) as told:
        async for event, ts_us in told:
            header, what = event.header, kind(event)
            if what == "accepted" and header.modality == Modality.MODALITY_TYPED and wanted.has(header):
                found[header.turn_id] = _Asked(header, _text(sealing, event))
            elif what == "interrupted" and (one := found.get(header.turn_id)) is not None:
                one.interrupted_at_us = ts_us
    return found


def _text(sealing: Sealing, event: Any) -> str | None:
    try:
        return str(getattr(sealing.open(event), kind(event)).text)
    except KeyDestroyed:
        return None


async def _events(bus: Bus, cls: type[Any], wanted: Wanted) -> AsyncGenerator[tuple[Any, int], None]:
    """Of live turns, sealed, each with when it was written."""
    topic = topic_name(cls)
    for partition in range(TOPICS[topic].partitions):
        start = await bus.offset_at(topic, partition, wanted.from_us)
        while records := await bus.read(topic, partition, start):
            for record in records:
                try:
                    event = parse(topic, record.value)
                except DecodeError:
                    continue
                if not event.header.run and event.header.turn_id:
                    yield event, record.ts_us
            if records[-1].ts_us > wanted.to_us + _AFTER_US:
                break
            start = records[-1].offset + 1
