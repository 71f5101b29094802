"""A turn that is handled again begins with what it began with the first time, whatever was told in between (1a.20)."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from parlance.turn import Turn
from parlance.v1.intent_pb2 import IntentEvent, IntentRecognized
from parlance.v1.reply_pb2 import Outcome, Reason, ReplyClause
from parlance.v1.session_pb2 import ReplyHeard, SessionEvent, TurnAccepted
from parlance.v1.state_pb2 import SessionSnapshot
from parlance.v1.turn_pb2 import Heard
from services.dialogue.dialogue import TOPICS
from tests.unit.dialogue_scene import Scene


class Slow(Scene):
    """Whoever answers the second turn in the first life thinks for longer than that life."""

    def __init__(self) -> None:
        super().__init__()
        self.began: list[list[str]] = []

    async def converse(self, event: Any, turn: Turn[SessionSnapshot]) -> AsyncGenerator[Any, None]:
        if turn.id == "t2":
            self.began.append([exchange.reply_text for exchange in turn.state.conversation])
            if self.lives == 1:
                await asyncio.sleep(20)
        yield ReplyClause(text="One.")
        yield ReplyClause(text="Two.")
        yield turn.close(Outcome.OUTCOME_ANSWERED, Reason.REASON_UNSPECIFIED)


async def _killed_while_the_model_thinks(scene: Slow) -> None:
    running = asyncio.create_task(scene.dialogue().stage.run(TOPICS))
    await scene.happens(SessionEvent, "t1", TurnAccepted(text="first"))
    await scene.happens(IntentEvent, "t1", IntentRecognized(intent="chat", text="first"))
    await scene.happens(IntentEvent, "t2", IntentRecognized(intent="chat", text="second"))
    running.cancel()
    await scene.happens(SessionEvent, "t1", ReplyHeard(heard=Heard(turn_id="t1", clauses=1)))
    running = asyncio.create_task(scene.dialogue().stage.run(TOPICS))
    await asyncio.sleep(5)
    running.cancel()


def test_it_asks_the_same_again_though_the_conversation_is_another_by_now() -> None:
    scene = Slow()
    scene.world.run(_killed_while_the_model_thinks(scene))
    assert scene.began == [["One. Two."], ["One. Two."]]
