"""Context: imports a user's contacts and calendar, and answers questions about them.

An answer is a fact: published once, under the id of the call that asked. Asked again under that id, the same answer is
given, also while it is still being made.
"""

import asyncio
import hashlib
import math
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from parlance import clock, ids
from parlance.errors import DeadlineExceeded, Internal, InvalidRequest, Refused, Unauthenticated
from parlance.events import to_bytes, wrap
from parlance.outgoing import record_of
from parlance.privacy import Sealing
from parlance.rpc import Call
from parlance.store import Store
from parlance.v1.context_pb2 import ContextAnswered, ContextEvent, ContextImported
from parlance.v1.context_service_pb2 import (
    ContextImportRequest,
    ContextImportResponse,
    IdentifyRequest,
    IdentifyResponse,
    LookupRequest,
    LookupResponse,
)
from parlance.v1.gateway_service_pb2 import ImportResponse
from parlance.v1.llm_service_pb2 import Identifier
from parlance.v1.turn_pb2 import AnswerRecorded, End, Header
from services.context import imports, tables
from services.context.index import Index, Question

METHOD = "Context.Lookup"
QUERIES = (
    *("contacts.phone", "contacts.email", "contacts.address", "contacts.birthday"),
    *("calendar.next", "calendar.day"),
)
# How long an answer without a deadline is given again.
_KEPT_S = 60.0
_LONGEST_TEXT = 1000


@dataclass(slots=True)
class _Given:
    """An answer that is being made or was given; None: who made it left before the end."""

    digest: bytes
    response: "asyncio.Future[LookupResponse | None]"
    until: float


class ContextService:
    """`publish` takes an event of context.v1, unsealed, and appends it to the log."""

    def __init__(self, store: Store, sealing: Sealing, publish: Callable[[Any], None]) -> None:
        self._store = store
        self._sealing = sealing
        self._publish = publish
        self._index = Index(store, sealing)
        self._given: dict[str, _Given] = {}

    async def start(self) -> None:
        """Makes the table."""
        await self._store.transact(lambda tx: tx.db.execute(tables.SCHEMA))

    def recall(self, event: ContextEvent, until: float) -> None:
        """Takes up an answer from the log (opened), to be given again until then (seconds of the loop's time)."""
        answer = event.answered.answer
        if answer.call_id and answer.chunks:
            given = _Given(answer.request_digest, asyncio.get_running_loop().create_future(), until)
            given.response.set_result(LookupResponse.FromString(answer.chunks[0]))
            self._given[answer.call_id] = given

    async def lookup(self, request: LookupRequest, call: Call) -> AsyncGenerator[LookupResponse, None]:
        question, digest = _question(request, call), hashlib.sha256(to_bytes(request)).digest()
        while call.id and (given := self._given.get(call.id)) is not None:
            if given.digest != digest:
                raise Internal("the call id was used for another request")
            response = await asyncio.shield(given.response)
            if response is not None:
                yield response
                return
        if call.remaining() <= 0:
            raise DeadlineExceeded("the turn's time was over before the lookup began")
        yield await self._answer(question, digest, call)

    async def identify(self, request: IdentifyRequest, call: Call) -> AsyncGenerator[IdentifyResponse, None]:
        """On record nowhere: whoever asks keeps it with what it was asked for."""
        found = await self._index.named(_user(call), request.texts)
        yield IdentifyResponse(identifiers=[Identifier(kind="person", text=name) for name in found])

    async def import_(self, request: ContextImportRequest, call: Call) -> AsyncGenerator[ContextImportResponse, None]:
        """Adds to what the user has and replaces what has the same UID; says what was skipped and why."""
        user, asked = _user(call), getattr(request, "import")
        if call.header.run:
            raise Refused("context learns nothing in a run that is not live: it reads the index and leaves it as it is")
        parsed = await asyncio.to_thread(imports.parse, asked.kind, asked.content)
        counts = await self._store.transact(lambda tx: self._merge(tx, asked.kind, parsed, call.header))
        self._index.forget(user, asked.kind)
        yield ContextImportResponse(
            imported=ImportResponse(
                added=counts.added, updated=counts.updated, skipped=parsed.skipped, problems=parsed.problems
            )
        )

    def _merge(self, tx: Any, kind: str, parsed: imports.Parsed, cause: Header) -> tables.Counts:
        counts = tables.merge(tx.db, self._sealing, (cause.user_id, kind), parsed.rows)
        body = ContextImported(kind=kind, added=counts.added, updated=counts.updated, skipped=parsed.skipped)
        event = wrap(ContextEvent, _header(cause, cause.event_id or ids.new(), "ContextImported"), body)
        tx.append(record_of(event, self._sealing.seal))
        return counts

    async def _answer(self, question: Question, digest: bytes, call: Call) -> LookupResponse:
        loop = asyncio.get_running_loop()
        self._evict(loop.time())
        until = call.deadline if call.deadline < math.inf else loop.time() + _KEPT_S
        given = self._given[call.id] = _Given(digest, loop.create_future(), until)
        began_us = clock.now_us()
        try:
            response = await self._index.answer(question)
        except BaseException:
            self._given.pop(call.id, None)
            given.response.set_result(None)
            raise
        self._publish(_answered(response, digest, call, began_us))
        given.response.set_result(response)
        return response

    def _evict(self, now: float) -> None:
        """By deadline, never by count."""
        for call_id in [key for key, given in self._given.items() if given.until < now and given.response.done()]:
            del self._given[call_id]


def _user(call: Call) -> str:
    if not call.header.user_id:
        raise Unauthenticated("contacts and calendars belong to a user: connect again")
    return call.header.user_id


def _question(request: LookupRequest, call: Call) -> Question:
    user = _user(call)
    if request.query not in QUERIES:
        raise InvalidRequest(f"unknown query '{request.query[:40]}'; known: {', '.join(QUERIES)}")
    slots = {slot.name: slot.value for slot in request.slots}
    try:
        zone = ZoneInfo(request.time_zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise InvalidRequest("unknown time zone: give an IANA name such as Europe/London") from exc
    now = datetime.fromtimestamp(request.now_us / 1e6, zone)
    return Question(user, request.query, slots, request.text[:_LONGEST_TEXT], now)


def _header(cause: Header, of: str, name: str) -> Header:
    header = Header()
    header.CopyFrom(cause)
    header.event_id = ids.event_id(cause.run, of, name)
    header.causation_id = cause.event_id
    return header


def _answered(response: LookupResponse, digest: bytes, call: Call, began_us: int) -> ContextEvent:
    took_us = clock.now_us() - began_us
    answer = AnswerRecorded(
        call_id=call.id,
        method=METHOD,
        request_digest=digest,
        chunks=[to_bytes(response)],
        chunk_offsets_us=[took_us],
        end=End.END_COMPLETE,
        began_at_us=began_us,
    )
    header = _header(call.header, call.id or ids.new(), "ContextAnswered")
    body = ContextAnswered(answer=answer, call_id=call.id, took_us=took_us)
    event: ContextEvent = wrap(ContextEvent, header, body)
    return event
