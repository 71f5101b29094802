"""Runs the handler of a turn: snapshot first, every act named before it is asked for, clauses out as they come."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from google.protobuf.message import Message

from parlance import clock
from parlance.errors import Internal, ParlanceError
from parlance.events import payload
from parlance.outgoing import follow, record_of
from parlance.rpc import Call
from parlance.store import Conflict
from parlance.v1.reply_pb2 import ReplyEvent, TurnCompleted
from parlance.v1.state_pb2 import OpenTurn, PlannedCall
from services.dialogue import questions, rows
from services.dialogue.handling import Handling
from services.dialogue.named import Named
from services.dialogue.parts import Parts
from services.dialogue.sessions import Session, Sessions
from services.dialogue.terminal import failure_of, snapshot_id
from services.dialogue.turns import Turns


class Running:
    def __init__(self, parts: Parts, sessions: Sessions, turns: Turns) -> None:
        self._parts, self._sessions, self._turns = parts, sessions, turns
        self._named = Named(parts.carrier)

    async def handle(self, session: Session, turn: OpenTurn, event: Any, cuts_in: bool = False) -> None:
        """Until the handler closes the turn, or fails and the turn is ended for it."""
        await self._begin(session, turn, event)
        handling = self._handling(session, turn, event)
        self._turns.handlings[turn.header.turn_id] = handling
        try:
            async with session.cut.exposed():
                if await self._speak(session, turn, event, handling, cuts_in):
                    return
            error: ParlanceError = Internal("the handler ended without an end of the turn")
        except Conflict:  # what this process remembers of the turn counts no more
            self._turns.handlings.pop(turn.header.turn_id, None)
            raise
        except ParlanceError as exc:
            error = exc
        finally:
            await handling.ask.aclose()
        await self._turns.end(session, turn, *failure_of(handling, error))

    async def _begin(self, session: Session, turn: OpenTurn, event: Any) -> None:
        """Handled again, a turn begins from the state that it began with, never from the current one."""
        if turn.snapshot_id:
            return
        turn.snapshot.CopyFrom(rows.snapshot_of(session.row))
        if self._parts.persona is not None:
            turn.snapshot.persona.CopyFrom(self._parts.persona)
        answers = questions.take(session.row, turn, payload(event))
        turn.snapshot.identifiers.extend(await self._named.in_turn(turn, payload(event)))
        turn.snapshot_id = snapshot_id(turn, event.header.event_id)
        if answers:  # it is used once: nobody may act on it before the row says by whom
            self._sessions.save(session)
            await session.saved()
            return
        # Beside the first ask, for whoever handles it again must ask the same. Mostly a save is on its way already.
        self._sessions.save_soon(session)

    def _handling(self, session: Session, turn: OpenTurn, event: Any) -> Handling:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (turn.header.deadline_us - clock.now_us()) / 1e6
        spoken = turn.speaking

        def opens(call_id: str, method: str, request: Message) -> AsyncGenerator[Any, None]:
            call = Call(call_id, event.header, deadline, begun=call_id == spoken)
            return self._parts.carrier.ask(method, request, call)

        async def before_act(call_id: str, action: str) -> None:
            """The row names the act, durably: for whoever ends the turn settles what the row names."""
            if all(act.call_id != call_id for act in turn.acts):
                turn.acts.append(PlannedCall(call_id=call_id, action=action))
                self._sessions.save(session)
            await session.saved()

        return Handling(turn, event.header, opens, before_act)

    async def _speak(self, session: Session, turn: OpenTurn, event: Any, handling: Handling, cuts_in: bool) -> bool:
        async with aclosing(self._parts.converse(payload(event), handling.view())) as bodies:
            async for body in bodies:
                if isinstance(body, TurnCompleted):
                    self._turns.close(session, turn, body)
                    return True
                body.seq = handling.yielded
                body.cuts_in = cuts_in and not handling.yielded
                await self._publish(session, turn, event, handling, body)
        return False

    async def _publish(self, session: Session, turn: OpenTurn, event: Any, handling: Handling, body: Any) -> None:
        clause = follow(ReplyEvent, event.header, body, body.seq)
        clause.header.label = turn.header.label
        record = record_of(clause, self._parts.sealing.seal, handling.began_us)
        handling.yielded += 1
        handling.clauses.append(body.text)
        if turn.speaking:
            self._parts.bus.append([record])
            return
        # Which answer this turn speaks is durable together with its first clause, and before its second.
        turn.speaking = handling.speaking() or event.header.event_id
        self._sessions.save(session, [record])
        await session.saved()
        if self._parts.lead_s:
            await asyncio.sleep(self._parts.lead_s)
