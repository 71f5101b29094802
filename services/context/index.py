"""The personal index: what each user imported, ready to be asked, and the answers to what is asked."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from parlance.spoken import join
from parlance.store import Store
from parlance.v1.context_service_pb2 import LookupResponse
from parlance.v1.turn_pb2 import Card
from services.context import calendar, contacts, tables
from services.context.calendar import Calendar
from services.context.contacts import Contact
from services.context.names import Names, name_in, owner

_MAX_USERS = 16
_QUERIES = {"calendar.next": calendar.tell_next, "calendar.day": calendar.tell_day}


@dataclass(frozen=True, slots=True)
class Question:
    """`query`: "contacts.phone", "calendar.next". `now` in the user's time zone."""

    user: str
    query: str
    slots: Mapping[str, str]
    text: str
    now: datetime


class Index:
    """Keeps the last users' things in memory: opened and parsed once, dropped when they import."""

    def __init__(self, store: Store, sealing: tables.SealsBytes) -> None:
        self._store = store
        self._sealing = sealing
        self._ready: dict[tuple[str, str], Any] = {}
        self._imports = 0

    def forget(self, user: str, kind: str) -> None:
        self._imports += 1
        self._ready.pop((user, kind), None)

    async def answer(self, question: Question) -> LookupResponse:
        kind = question.query.partition(".")[0]
        known = await self._known(question.user, kind)
        answer = _of_contacts if kind == "contacts" else _of_calendar
        return await asyncio.to_thread(answer, known, question)

    async def named(self, user: str, texts: Sequence[str]) -> list[str]:
        """The names of contacts that stand in texts."""
        known = await self._known(user, "contacts")
        return known.spelled.found_in(texts) if known is not None else []

    async def _known(self, user: str, kind: str) -> Any:
        """Names or Calendar; None where the user never imported any."""
        key = (user, kind)
        if key in self._ready:
            return self._ready[key]
        imports = self._imports
        rows = await self._store.query(partial(tables.load, sealing=self._sealing, user=user, kind=kind))
        make = _names if kind == "contacts" else _calendar
        known = await asyncio.to_thread(make, rows) if rows else None
        if imports == self._imports:  # else somebody imported while this was read
            self._ready[key] = known
        while len(self._ready) > _MAX_USERS:
            del self._ready[next(iter(self._ready))]
        return known


def _names(rows: Mapping[str, bytes]) -> Names:
    return Names([Contact.from_bytes(data) for data in rows.values()])


def _calendar(rows: Mapping[str, bytes]) -> Calendar:
    return Calendar(list(rows.values()))


def _of_contacts(known: Names | None, asked: Question) -> LookupResponse:
    if known is None:
        say = "I do not know your contacts yet. Import them with: parlance import contacts, and the file's name."
        return LookupResponse(say=say)
    found = known.asked_for(asked.slots.get("name", ""), asked.text)
    if not found:
        heard = owner(asked.slots.get("name", "") or name_in(asked.text))
        say = f"I did not find {heard or 'that name'} in {contacts.SOURCE}."
        return LookupResponse(say=say, source=contacts.SOURCE)
    if len(found) > 1:
        names = join([contact.name for contact in found[:4]], "or")
        say = f"Whom do you mean, {names}? Say the whole name."
        card = Card(title="Contacts", lines=[contact.name for contact in found])
        return LookupResponse(say=say, source=contacts.SOURCE, card=card)
    told = contacts.tell(asked.query, found[0], asked.text)
    made = LookupResponse(found=told.found, say=told.say, source=contacts.SOURCE)
    if told.lines:
        made.card.CopyFrom(Card(title=found[0].name, lines=told.lines))
    return made


def _of_calendar(known: Calendar | None, asked: Question) -> LookupResponse:
    if known is None:
        say = "I do not know your calendar yet. Import it with: parlance import calendar, and the file's name."
        return LookupResponse(say=say)
    told = _QUERIES[asked.query](known, asked.now, asked.slots, asked.text)
    made = LookupResponse(found=told.found, say=told.say, source=calendar.SOURCE)
    if told.lines:
        made.card.CopyFrom(Card(title=told.title, lines=told.lines))
    return made
