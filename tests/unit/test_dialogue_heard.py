"""What was heard of a turn, told while dialogue still has the turn open."""

import asyncio

from parlance.v1.intent_pb2 import IntentEvent, IntentRecognized
from parlance.v1.session_pb2 import ReplyHeard, SessionEvent, TurnAccepted
from parlance.v1.turn_pb2 import Heard
from services.dialogue.dialogue import TOPICS
from tests.unit.dialogue_scene import Scene


async def _a_turn_that_was_heard_before_its_end(scene: Scene, restarts: bool) -> None:
    running = asyncio.create_task(scene.dialogue().stage.run(TOPICS))
    await scene.happens(SessionEvent, "t1", TurnAccepted(text="first"))
    await scene.happens(SessionEvent, "t1", ReplyHeard(heard=Heard(turn_id="t1", clauses=1)))
    if restarts:
        running.cancel()
        running = asyncio.create_task(scene.dialogue().stage.run(TOPICS))
    await scene.happens(IntentEvent, "t1", IntentRecognized(intent="chat", text="first"))
    await scene.happens(IntentEvent, "t2", IntentRecognized(intent="chat", text="second"))
    running.cancel()


def test_what_was_heard_of_a_turn_before_its_end_is_all_that_is_remembered() -> None:
    scene = Scene()
    scene.world.run(_a_turn_that_was_heard_before_its_end(scene, restarts=False))
    assert scene.remembered == {"t1": [], "t2": ["One."]}


def test_a_restart_does_not_forget_what_was_heard_of_a_turn_that_is_open() -> None:
    scene = Scene()
    scene.world.run(_a_turn_that_was_heard_before_its_end(scene, restarts=True))
    assert scene.remembered == {"t1": [], "t2": ["One."]}
