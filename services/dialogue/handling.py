"""One run of a turn's handler: what it asked, how far it spoke, how its acts stand."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from google.protobuf.message import Message

from parlance import clock
from parlance.ask import Ask, Asked, Opens
from parlance.turn import Turn
from parlance.v1.reply_pb2 import Inputs, Outcome, Question, Reason, Settlement, TurnCompleted
from parlance.v1.state_pb2 import OpenTurn, SessionSnapshot
from parlance.v1.turn_pb2 import End, Header

Converse = Callable[[Any, Turn[SessionSnapshot]], AsyncGenerator[Any, None]]
# (call id, action): returns when the act may be done
BeforeAct = Callable[[str, str], Awaitable[None]]
ACT = "Actions.Run"


class Handling:
    """`again`: a process that died had spoken in this turn, so how far it spoke is not known."""

    def __init__(self, turn: OpenTurn, cause: Header, opens: Opens, before_act: BeforeAct) -> None:
        self.turn, self.cause = turn, cause
        self.again = bool(turn.speaking)
        self.yielded = 0
        self.began_us = clock.now_us()
        self.clauses: list[str] = []
        self.settled: dict[str, Settlement.ValueType] = {}
        self._opens, self._before_act = opens, before_act
        self.ask = Ask(cause, self._open)

    def _open(self, call_id: str, method: str, request: Message) -> AsyncGenerator[Any, None]:
        answer = self._opens(call_id, method, request)
        if method != ACT:
            return answer
        return self._settling(call_id, request.action, answer)  # type: ignore[attr-defined]

    async def _settling(
        self, call_id: str, action: str, answer: AsyncGenerator[Any, None]
    ) -> AsyncGenerator[Any, None]:
        async with aclosing(answer):
            await self._before_act(call_id, action)
            async for message in answer:
                self.settled[call_id] = message.settlement
                yield message

    def view(self) -> Turn[SessionSnapshot]:
        """The turn as its handler sees it."""
        header = self.turn.header
        return Turn(
            id=header.turn_id,
            session=header.session_id,
            user=header.user_id,
            device=header.device_id,
            now=header.as_of_us or header.asked_at_us,
            time_zone=header.time_zone,
            state=self.turn.snapshot,
            ask=self.ask,
            close=_completed,
        )

    def speaking(self) -> str:
        """The call whose answer is being spoken."""
        return self.ask.asked[-1].call_id if self.ask.asked else ""

    def incomplete(self) -> list[Asked]:
        """Asks whose answer was not taken to its end, or broke off."""
        return [a for a in self.ask.asked if a.end != End.END_COMPLETE]


def _completed(outcome: Outcome.ValueType, reason: Reason.ValueType, question: Question | None = None) -> TurnCompleted:
    return TurnCompleted(outcome=outcome, reason=reason, question=question)


def inputs_of(turn: OpenTurn, handling: Handling | None, unknown: bool) -> Inputs:
    """What led to the turn's end: enough to run it again to the same bytes."""
    made = Inputs(event_ids=turn.event_ids, unknown=unknown, snapshot_id=turn.snapshot_id)
    if handling is not None:
        made.calls.extend(a.consumed() for a in handling.ask.asked)
        made.yielded = 0 if unknown else handling.yielded
    return made
