"""Dialogue alone on the simulation's bus and store, without faults: told of events one by one, started anew at will."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from google.protobuf.message import Message

from parlance import clock
from parlance.events import wrap
from parlance.outgoing import record_of
from parlance.rpc_direct import DirectCarrier
from parlance.turn import Turn
from parlance.v1.reply_pb2 import Outcome, Reason, ReplyClause
from parlance.v1.state_pb2 import SessionSnapshot
from parlance.v1.turn_pb2 import Header
from services.dialogue.dialogue import Dialogue
from services.dialogue.parts import Parts
from tests.simulation.bus import SimBus, Writer
from tests.simulation.loop import Life
from tests.simulation.store import SimStore
from tests.simulation.world import World


class Scene:
    """Answers every turn in two clauses, and notes what the conversation was when it began."""

    def __init__(self) -> None:
        self.world = World(1)
        self.world.faulty = False
        self.remembered: dict[str, list[str]] = {}
        self.lives = 0

    def dialogue(self) -> Dialogue:
        self.lives += 1
        writer = Writer(self.world, Life("dialogue", self.lives))
        bus, store = SimBus(writer), SimStore(writer)
        return Dialogue(Parts(bus, store, self.world.sealing, DirectCarrier({}), self.converse))

    async def converse(self, event: Any, turn: Turn[SessionSnapshot]) -> AsyncGenerator[Any, None]:
        self.remembered[turn.id] = [exchange.reply_text for exchange in turn.state.conversation]
        yield ReplyClause(text="One.")
        yield ReplyClause(text="Two.")
        yield turn.close(Outcome.OUTCOME_ANSWERED, Reason.REASON_UNSPECIFIED)

    async def happens(self, cls: type[Any], turn: str, body: Message) -> None:
        """Publishes it and waits until it has been handled."""
        now = clock.now_us()
        header = Header(event_id=f"{turn} {type(body).__name__}", turn_id=turn, session_id="s", user_id="u")
        header.accepted_at_us = header.asked_at_us = now
        header.deadline_us = now + 30_000_000
        out = record_of(wrap(cls, header, body), self.world.sealing.seal)
        self.world.append(out, None, self.world.loop.time())
        await asyncio.sleep(1)
