"""Partitions that come to a stage while it runs."""

import asyncio

from tests.unit.stage_scene import Scene


def test_what_is_taken_over_is_made_up_for_once_it_was_delivered() -> None:
    async def script(scene: Scene) -> None:
        scene.publish("t")
        await asyncio.sleep(2)
        scene.given_anew()
        await asyncio.sleep(2)

    assert Scene().play(script).taken == [1]


def test_what_is_held_from_the_start_is_not_taken_over() -> None:
    async def script(scene: Scene) -> None:
        scene.publish("t")
        await asyncio.sleep(2)

    assert Scene().play(script).taken == []


def test_where_it_fails_it_is_tried_again() -> None:
    async def script(scene: Scene) -> None:
        await asyncio.sleep(1)
        scene.given_anew()
        await asyncio.sleep(10)

    assert len(Scene(taken_fails=2).play(script).taken) == 3
