"""A stage that has work for some kinds of events only."""

import asyncio

from parlance.v1.session_pb2 import TurnInterrupted
from tests.unit.stage_scene import Scene


def test_an_event_that_the_stage_has_no_work_for_is_done_as_it_comes() -> None:
    async def script(scene: Scene) -> None:
        scene.publish("t", body=TurnInterrupted())
        scene.publish("t")
        await asyncio.sleep(2)

    scene = Scene(kinds=frozenset({"accepted"})).play(script)
    assert scene.log == ["t begins", "t ends"]
    assert scene.committed == 2
