"""How a stage ends, and what it finds when it starts again."""

import asyncio

from tests.unit.stage_scene import Scene


def test_drain_waits_for_the_work_in_flight_and_takes_nothing_new() -> None:
    async def script(scene: Scene) -> None:
        scene.publish("t", "2")
        await asyncio.sleep(1)
        draining = asyncio.get_running_loop().create_task(scene.stage.drain(10))
        await asyncio.sleep(0.1)
        scene.publish("t2", session="other")
        await draining
        await asyncio.sleep(5)

    assert Scene().play(script).log == ["t begins", "t ends"]


def test_what_was_not_committed_comes_again_at_the_next_start() -> None:
    async def script(scene: Scene) -> None:
        scene.publish("t", "60")
        await asyncio.sleep(1)

    scene = Scene().play(script)
    assert scene.log == ["t begins"]
    assert scene.committed == 0
