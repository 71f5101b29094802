"""The rules of the turn contract, each of which can be switched off to see whether it is needed."""

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from parlance import ids
from parlance.answers import Answers
from parlance.rpc import Call
from parlance.stage_taking import Taking
from parlance.v1.reply_pb2 import Inputs, SettledCall, Settlement
from parlance.v1.turn_pb2 import End
from services.actions.service import ActionsService
from services.actions.tables import UserRows
from services.dialogue import dialogue, questions, rows, running, terminal, turns
from services.dialogue.dialogue import Dialogue
from services.dialogue.handling import Handling, inputs_of
from services.dialogue.running import Running
from services.dialogue.sessions import Sessions
from tests.simulation.world import Faults, world_now

RULES: dict[str, str] = {
    "any_event_opens": "whichever event of a turn is seen first opens it",
    "derived_ids": "event ids are derived, the terminal's from the turn alone",
    "settle": "who ends a turn first settles the act it may have begun",
    "cancel_now": "an interruption cancels the running handler instead of queueing behind it",
    "join": "a second ask under one call id joins the running answer, or gets the recorded one",
    "speaking_mark": "a turn durably names the answer it speaks, which is never begun anew",
    "act_once": "actions keeps one row per call id, first writer wins",
    "acks_before_close": "the end is written after the turn's clauses",
    "durable_turns": "open turns are durable, so a restart re-arms every deadline",
    "fenced_offsets": "a commit carries the ownership its handler began in, an older one is dropped",
    "inputs": "the terminal event lists what led to it",
    "snapshot": "handled again, a turn begins from the state that it began with",
    "acts_named": "the row durably names an act before it is asked for",
    "roll_call": "dialogue asks, when it begins, who is there",
    "taking_over": "who is given a session makes up for what its owner before had in memory alone",
    "question_once": "a question is used once, by the turn that the row names before its handler begins",
    "heard_kept": "what was heard of a turn that is still open in the row is kept until its end",
}


def faults_without(rule: str) -> Faults:
    faults = Faults()
    if rule == "acks_before_close":
        faults = dataclasses.replace(faults, fifo=False)
    if rule == "fenced_offsets":
        faults = dataclasses.replace(faults, fenced=False)
    return faults


@contextmanager
def switched_off(rule: str) -> Iterator[None]:
    """The real code without this rule."""
    patches = _PATCHES.get(rule, lambda: [])()
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


def _any_event_opens() -> list[Any]:
    def only_where_open(handle: Any) -> Any:
        async def handled(self: Any, session: Any, event: Any) -> None:
            if rows.find_open(session.row, event.header.turn_id) is not None:
                await handle(self, session, event)

        return handled

    names = ("_recognized", "_interrupted", "_stage_failed")
    return [mock.patch.object(Dialogue, name, only_where_open(getattr(Dialogue, name))) for name in names]


def _derived_ids() -> list[Any]:
    return [mock.patch.object(ids, name, lambda *parts: ids.new()) for name in ("event_id", "terminal_id")]


def _settle() -> list[Any]:
    """Nobody asks: what the handler was not told of is taken for not done."""

    async def guessed(carrier: Any, turn: Any, handling: Any) -> list[SettledCall]:
        had = handling.settled if handling is not None else {}
        refused = Settlement.SETTLEMENT_REFUSED
        return [
            SettledCall(call_id=a.call_id, action=a.action, settlement=had.get(a.call_id, refused)) for a in turn.acts
        ]

    return [mock.patch.object(turns, "settle", guessed)]


def _cancel_now() -> list[Any]:
    return [mock.patch.object(dialogue, "cuts", lambda running, new: False)]


def _join() -> list[Any]:
    give = Answers.give

    def afresh(self: Answers, call: Call, method: str, request: Any, begin: Any) -> Any:
        return give(self, Call(ids.new(), call.header, call.deadline), method, request, begin)

    return [mock.patch.object(Answers, "give", afresh)]


def _speaking_mark() -> list[Any]:
    def unmarked(call_id: str, header: Any, deadline: float, begun: bool = False) -> Call:
        return Call(call_id, header, deadline)

    return [mock.patch.object(running, "Call", unmarked)]


def _act_once() -> list[Any]:
    made = UserRows.__init__

    def with_new_ids(self: UserRows, db: Any, sealing: Any, call_id: str, header: Any) -> None:
        made(self, db, sealing, ids.new(), header)

    do = ActionsService._do

    def as_if_the_first(self: ActionsService, tx: Any, act: Any, ready: Any) -> Any:
        self._db(tx, act.call.header).execute("DELETE FROM actions_call WHERE call_id = ?", (act.call.id,))
        return do(self, tx, act, ready)

    return [
        mock.patch.object(ActionsService, "_do", as_if_the_first),
        mock.patch.object(UserRows, "__init__", with_new_ids),
    ]


def _durable_turns() -> list[Any]:
    """What is open is known to the process alone that opened it."""
    opened = Sessions._opened

    def forgetful(self: Sessions, *row: Any) -> Any:
        session = opened(self, *row)
        del session.row.open[:]
        return session

    async def none(self: Sessions) -> list[str]:
        return []

    return [mock.patch.object(Sessions, "due", none), mock.patch.object(Sessions, "_opened", forgetful)]


def _inputs() -> list[Any]:
    """As if everything that was asked for had been taken, and everything said."""
    listed = inputs_of

    def whole(turn: Any, handling: Any, unknown: bool) -> Inputs:
        made = listed(turn, handling, unknown)
        for call in made.calls:
            call.chunks, call.end = 1000, End.END_COMPLETE
        made.yielded = 1000 if made.yielded else 0
        return made

    return [mock.patch.object(terminal, "inputs_of", whole)]


def _snapshot() -> list[Any]:
    begin = Running._begin

    async def from_now(self: Running, session: Any, turn: Any, event: Any) -> None:
        turn.snapshot_id = ""
        await begin(self, session, turn, event)

    return [mock.patch.object(Running, "_begin", from_now)]


def _acts_named() -> list[Any]:
    """The act does not wait for the row."""
    handle = Handling

    def hasty(turn: Any, cause: Any, opens: Any, before_act: Any) -> Any:
        async def at_once(call_id: str, action: str) -> None:
            world_now().loop.create_task(before_act(call_id, action))

        return handle(turn, cause, opens, at_once)

    return [mock.patch.object(running, "Handling", hasty)]


def _heard_kept() -> list[Any]:
    return [mock.patch.object(rows, "note_heard", rows.apply_heard)]


def _question_once() -> list[Any]:
    take = questions.take

    def by_nobody(row: Any, turn: Any, event: Any) -> bool:
        took = take(row, turn, event)
        row.question.used_by = ""
        return took

    return [mock.patch.object(questions, "take", by_nobody)]


def _roll_call() -> list[Any]:
    return [mock.patch.object(dialogue, "roll_calls", lambda: [])]


def _taking_over() -> list[Any]:
    async def never(self: Taking) -> None:
        await asyncio.Event().wait()

    return [mock.patch.object(Taking, "run", never)]


_PATCHES: dict[str, Callable[[], list[Any]]] = {
    "any_event_opens": _any_event_opens,
    "derived_ids": _derived_ids,
    "settle": _settle,
    "cancel_now": _cancel_now,
    "join": _join,
    "speaking_mark": _speaking_mark,
    "act_once": _act_once,
    "durable_turns": _durable_turns,
    "inputs": _inputs,
    "snapshot": _snapshot,
    "acts_named": _acts_named,
    "roll_call": _roll_call,
    "taking_over": _taking_over,
    "question_once": _question_once,
    "heard_kept": _heard_kept,
}
