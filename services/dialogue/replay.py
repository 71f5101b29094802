"""A past turn run again from its record: the same handler, asks answered from the log, compared byte for byte."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

from parlance.errors import ParlanceError, from_proto
from parlance.events import kind, payload
from parlance.history import Past, Seen
from parlance.outgoing import follow
from parlance.v1.actions_service_pb2 import RunResponse
from parlance.v1.context_service_pb2 import LookupResponse
from parlance.v1.llm_service_pb2 import AnswerResponse, RememberConsentResponse
from parlance.v1.reply_pb2 import ConsumedCall, Reason, ReplyEvent, TurnCompleted
from parlance.v1.state_pb2 import OpenTurn, PlannedCall
from parlance.v1.turn_pb2 import End
from services.dialogue import rows
from services.dialogue.handling import Converse, Handling
from services.dialogue.terminal import Why, failure_of, from_handler, from_outside, terminal_event

# (what was heard or typed) -> what was meant, as intent publishes it
Understand = Callable[[Any], Awaitable[list[Any]]]

_RESPONSES: dict[str, type[Message]] = {
    "Llm.Answer": AnswerResponse,
    "Context.Lookup": LookupResponse,
    "Actions.Run": RunResponse,
}
# What says nothing is on record nowhere.
_EMPTY: dict[str, type[Message]] = {"Llm.RememberConsent": RememberConsentResponse}


# Why a handler ends its turn; all other reasons come from outside.
_OWN = (Reason.REASON_UNSPECIFIED, Reason.REASON_ASKED, Reason.REASON_POLICY)


class Stopped(BaseException):
    """The handler has reached the place where it was cut. Not an Exception: no handler may catch it."""


@dataclass(slots=True)
class Record:
    """What the log holds of a turn."""

    past: Past
    completed: Any
    answers: dict[str, list[bytes]] = field(default_factory=dict)

    @classmethod
    def of(cls, past: Past) -> "Record | None":
        """None where the turn has not ended."""
        ended = [s.event for s in past.seen if kind(s.event) == "completed"]
        if not ended:
            return None
        made = cls(past, ended[0])
        for seen in past.seen:
            body = payload(seen.event)
            if hasattr(body, "answer"):
                made.answers[body.answer.call_id] = list(body.answer.chunks)
            elif kind(seen.event) == "effect" and body.response:
                made.answers[body.call_id] = [body.response]
        return made

    def event(self, event_id: str) -> Any | None:
        return next((s.event for s in self.past.seen if s.event.header.event_id == event_id), None)

    def of_kind(self, name: str) -> list[Any]:
        return [s.event for s in self.past.seen if kind(s.event) == name]

    @property
    def handled(self) -> bool:
        """Whether the process that ended the turn had run its handler: then it had asked or said something."""
        inputs = self.completed.completed.inputs
        return bool(inputs.calls or inputs.yielded)

    @property
    def own_end(self) -> bool:
        """Whether the handler itself ended the turn."""
        return self.completed.completed.reason in _OWN

    @property
    def cuts_in(self) -> bool:
        return any(e.clause.cuts_in for e in self.of_kind("clause"))

    def visible(self) -> list[Seen]:
        """What intent and dialogue published of the turn, without what follows its end."""
        return [s for s in self.past.seen if kind(s.event) in ("recognized", "clause", "completed")]

    @property
    def trigger(self) -> Any | None:
        """The event that started the handler."""
        return next(iter([*self.of_kind("recognized"), *self.of_kind("fired")]), None)


async def run_again(record: Record, converse: Converse, understand: Understand) -> list[Any]:
    """The events that the turn's stages publish when it is run again, in order."""
    made: list[Any] = []
    for source in [*record.of_kind("final"), *record.of_kind("accepted")]:
        if record.of_kind("recognized") and not made:
            made.extend(await understand(source))
    turn = _opened(record)
    trigger = record.trigger
    # What is said unasked goes to whoever is there: that it went there stands in its end alone.
    turn.header.reply_partition = record.completed.header.reply_partition
    if trigger is not None:
        trigger.header.reply_partition = record.completed.header.reply_partition
    if trigger is not None and record.handled:
        return made + await _handled(record, converse, turn, trigger)
    why = _why(record)
    calls = list(record.completed.completed.calls)
    return [*made, terminal_event(turn, from_outside(turn, None, why, calls, unknown=False))]


def _opened(record: Record) -> OpenTurn:
    """The turn as its row stood, from the events it consumed."""
    turn = OpenTurn(header=record.past.header)
    for event_id in record.completed.completed.inputs.event_ids:
        event = record.event(event_id)
        if event is not None:
            rows.took(turn, event.header)
    turn.snapshot_id = record.completed.completed.inputs.snapshot_id
    for state in record.of_kind("snapshot"):
        turn.snapshot.CopyFrom(state.snapshot)
    return turn


async def _handled(record: Record, converse: Converse, turn: OpenTurn, trigger: Any) -> list[Any]:
    async def before_act(call_id: str, action: str) -> None:
        turn.acts.append(PlannedCall(call_id=call_id, action=action))

    handling = Handling(turn, trigger.header, _Recorded(record).opens, before_act)
    made: list[Any] = []
    try:
        completed = await _converse(record, converse, trigger, handling, made)
    except Stopped:
        completed = None
    except ParlanceError as exc:
        completed = _from_outside(record, turn, handling, failure_of(handling, exc))
    finally:
        await handling.ask.aclose()
    if completed is None:
        completed = _from_outside(record, turn, handling, _why(record))
    return [*made, terminal_event(turn, completed)]


async def _converse(
    record: Record, converse: Converse, trigger: Any, handling: Handling, made: list[Any]
) -> TurnCompleted:
    """The handler's own end; Stopped where it was cut: after as many clauses as it had said."""
    async with aclosing(converse(payload(trigger), handling.view())) as bodies:
        async for body in bodies:
            if not record.own_end and handling.yielded == record.completed.completed.inputs.yielded:
                raise Stopped
            if isinstance(body, TurnCompleted):
                return from_handler(handling.turn, handling, body)
            body.seq = handling.yielded
            body.cuts_in = record.cuts_in and not handling.yielded
            clause = follow(ReplyEvent, trigger.header, body, body.seq)
            clause.header.label = handling.turn.header.label
            made.append(clause)
            handling.yielded += 1
            handling.clauses.append(body.text)
    raise Stopped


def _why(record: Record) -> Why:
    """The end from outside, as the terminal event alone records it."""
    completed = record.completed.completed
    error = from_proto(completed.error) if completed.HasField("error") else None
    return completed.outcome, completed.reason, error


def _from_outside(record: Record, turn: OpenTurn, handling: Handling, why: Why) -> TurnCompleted:
    settled = {c.call_id: c for c in record.completed.completed.calls}
    calls = [settled[a.call_id] for a in turn.acts if a.call_id in settled]
    return from_outside(turn, handling, why, calls, unknown=False)


class _Recorded:
    """Answers asks from the record, as far as the handler had taken them."""

    def __init__(self, record: Record) -> None:
        self._answers = record.answers
        self._taken = {c.call_id: c for c in record.completed.completed.inputs.calls}

    def opens(self, call_id: str, method: str, request: Message) -> AsyncGenerator[Any, None]:
        return self._answer(self._taken.get(call_id, ConsumedCall()), call_id, method)

    async def _answer(self, taken: ConsumedCall, call_id: str, method: str) -> AsyncGenerator[Any, None]:
        chunks = [b""] * taken.chunks if method in _EMPTY else self._answers.get(call_id, [])
        for chunk in chunks[: taken.chunks]:
            await asyncio.sleep(0)
            yield (_RESPONSES | _EMPTY)[method].FromString(chunk)
        if taken.end == End.END_FAILED:
            raise from_proto(taken.error)
        if taken.end != End.END_COMPLETE:
            raise Stopped


def unverifiable(record: Record) -> str:
    """Why the turn cannot be run again to the same bytes; "" where it can."""
    inputs = record.completed.completed.inputs
    if inputs.unknown:
        return "how far it spoke is not known: a process that spoke died"
    if record.completed.completed.reason == Reason.REASON_ANSWER_LOST:
        return "the answer that it spoke is not on record"
    return ""
