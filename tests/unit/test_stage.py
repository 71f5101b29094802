"""The stage runtime, on a bus in memory and in virtual time."""

import asyncio
from typing import Any

from parlance.bus import Out
from parlance.errors import Unavailable
from parlance.store import Conflict
from parlance.v1.session_pb2 import TurnInterrupted
from tests.unit.stage_scene import TOPIC, Scene


def test_a_session_is_handled_in_order_and_sessions_side_by_side() -> None:
    async def script(scene: Scene) -> None:
        scene.publish("a1", "2", "a")
        scene.publish("a0", "1", "a")
        scene.publish("b1", "0.1", "b")
        await asyncio.sleep(10)

    log = Scene().play(script).log
    assert [e for e in log if e[0] == "a"] == ["a1 begins", "a1 ends", "a0 begins", "a0 ends"]
    assert log.index("b1 ends") < log.index("a1 ends")


def test_an_event_that_comes_twice_is_handled_once() -> None:
    async def script(scene: Scene) -> None:
        scene.publish("t")
        scene.publish("t")
        await asyncio.sleep(2)

    scene = Scene().play(script)
    assert scene.log == ["t begins", "t ends"]
    assert scene.committed == 2


def test_what_is_in_hand_when_its_partition_comes_back_is_handled_again_before_it_counts_as_done() -> None:
    """Another may have had the partition meanwhile, so the work in hand is no longer this ownership's."""
    committed = []

    async def script(scene: Scene) -> None:
        scene.publish("t", "5")
        await asyncio.sleep(1)
        scene.given_anew()
        await asyncio.sleep(7)
        committed.append(scene.committed)
        await asyncio.sleep(4)

    scene = Scene().play(script)
    assert scene.log == ["t begins", "t ends", "t begins", "t ends"]
    assert committed == [0] and scene.committed == 1


def test_what_was_done_when_its_partition_comes_back_is_not_done_again() -> None:
    async def script(scene: Scene) -> None:
        scene.publish("t")
        await asyncio.sleep(2)
        scene.given_anew()
        scene.publish("u")
        await asyncio.sleep(2)

    scene = Scene().play(script)
    assert scene.log == ["t begins", "t ends", "u begins", "u ends"] and scene.committed == 2


def test_an_interruption_cuts_the_running_work_and_is_handled_next() -> None:
    async def script(scene: Scene) -> None:
        scene.publish("t", "60")
        await asyncio.sleep(1)
        scene.publish("t", body=TurnInterrupted())
        await asyncio.sleep(1)

    scene = Scene().play(script)
    assert scene.log == ["t begins", "t interrupted"]
    assert scene.committed == 2


def test_what_an_interruption_waits_behind_is_not_begun() -> None:
    async def script(scene: Scene) -> None:
        scene.publish("t2", "1")
        await asyncio.sleep(0.5)
        scene.publish("t1", "5")
        scene.publish("t1", body=TurnInterrupted())
        await asyncio.sleep(9)

    assert Scene().play(script).log == ["t2 begins", "t2 ends", "t1 begins", "t1 interrupted"]


def test_a_newer_turn_does_not_overtake_its_own_interruption() -> None:
    async def script(scene: Scene) -> None:
        scene.publish("a", "5")
        await asyncio.sleep(1)
        scene.publish("b", body=TurnInterrupted())
        scene.publish("b", "5")
        await asyncio.sleep(9)

    assert Scene().play(script).log == ["a begins", "b interrupted", "b begins", "b ends"]


def test_an_event_counts_as_done_once_it_is_durable_and_the_next_one_does_not_wait() -> None:
    committed = []

    async def script(scene: Scene) -> None:
        scene.publish("t1", "later")
        scene.publish("t2")
        await asyncio.sleep(5)
        committed.append(scene.committed)
        assert scene.durable is not None
        scene.durable.set_result(1)
        await asyncio.sleep(5)

    scene = Scene().play(script)
    assert scene.log == ["t1 begins", "t1 ends", "t2 begins", "t2 ends"]
    assert committed == [0] and scene.committed == 2


def test_an_event_whose_save_is_refused_is_handled_again() -> None:
    async def script(scene: Scene) -> None:
        scene.publish("t", "later")
        for refusal in (Conflict("somebody else"), Unavailable("the disk is full")):
            await asyncio.sleep(5)
            assert scene.durable is not None
            scene.durable.set_exception(refusal)
        await asyncio.sleep(5)
        assert scene.committed == 0
        scene.durable.set_result(1)
        await asyncio.sleep(5)

    scene = Scene().play(script)
    assert scene.log == ["t begins", "t ends"] * 3
    assert scene.committed == 1 and not scene.letters


def test_an_event_whose_save_is_refused_for_good_becomes_a_dead_letter() -> None:
    async def script(scene: Scene) -> None:
        scene.publish("t", "later")
        for _ in range(3):
            await asyncio.sleep(5)
            assert scene.durable is not None
            scene.durable.set_exception(Unavailable("the disk is full"))
        await asyncio.sleep(5)

    scene = Scene().play(script)
    assert scene.log == [*["t begins", "t ends"] * 3, "t failed: the disk is full"]
    assert scene.committed == 1 and len(scene.letters) == 1


def test_a_failing_event_is_tried_again() -> None:
    async def script(scene: Scene) -> None:
        scene.publish("t", "fails")
        await asyncio.sleep(5)

    scene = Scene(failures=2).play(script)
    assert scene.log == ["t begins", "t begins", "t begins", "t ends"]
    assert not scene.letters


def test_an_event_that_fails_for_good_becomes_a_dead_letter_and_its_turn_is_told() -> None:
    async def script(scene: Scene) -> None:
        scene.publish("t", "fails")
        scene.publish("a")
        await asyncio.sleep(5)

    scene = Scene(failures=99).play(script)
    assert scene.log[3:] == ["t failed: not now", "a begins", "a ends"]
    assert [(letter.turn_id, letter.attempts) for letter in scene.letters] == [("t", 3)]
    assert b"fails" not in scene.letters[0].value, "what was said stays sealed"
    assert scene.committed == 2


def test_a_dead_letter_can_be_handled_again() -> None:
    async def script(scene: Scene) -> None:
        scene.publish("t", "fails")
        await asyncio.sleep(5)
        scene.stage.replay(scene.letters[0])
        await asyncio.sleep(1)

    assert Scene(failures=3).play(script).log[-2:] == ["t begins", "t ends"]


def test_a_dead_letter_that_fails_again_is_buried_again() -> None:
    async def script(scene: Scene) -> None:
        scene.publish("t", "fails")
        await asyncio.sleep(5)
        scene.stage.replay(scene.letters[0])
        await asyncio.sleep(5)

    first, second = Scene(failures=6).play(script).letters
    assert (first.topic, first.offset, first.value) == (second.topic, second.offset, second.value)
    assert second.attempts == 3 and second.turn_id == "t"


def test_a_dead_letter_is_handled_again_by_the_replica_that_reads_its_partition_alone() -> None:
    async def script(scene: Scene) -> None:
        scene.publish("t", "fails")
        await asyncio.sleep(5)
        subscription: Any = scene.stage._subscription
        subscription._ownership.clear()  # another one's by now
        scene.stage.replay(scene.letters[0])
        await asyncio.sleep(5)

    scene = Scene(failures=3).play(script)
    assert scene.log[-1] == "t failed: not now" and len(scene.letters) == 1


def test_what_is_no_event_is_buried_and_holds_nothing_up() -> None:
    async def script(scene: Scene) -> None:
        scene.bus.append([Out(TOPIC, 0, b"s", b"\xff\xff")])
        scene.publish("t")
        await asyncio.sleep(2)

    scene = Scene().play(script)
    assert scene.log == ["t begins", "t ends"]
    assert [letter.value for letter in scene.letters] == [b"\xff\xff"]


def test_an_owner_tries_again_when_its_row_was_saved_by_the_one_before_it() -> None:
    async def script(scene: Scene) -> None:
        scene.publish("t", "conflicts")
        await asyncio.sleep(5)

    scene = Scene(failures=3).play(script)
    assert scene.log[-1] == "t ends"
    assert scene.committed == 1


def test_an_owner_that_was_replaced_leaves_the_event_to_the_new_one() -> None:
    async def script(scene: Scene) -> None:
        scene.publish("t", "conflicts")
        while not scene.log:
            await asyncio.sleep(0.001)
        assert scene.stage._subscription is not None
        scene.stage._subscription._ownership.clear()  # type: ignore[attr-defined]
        await asyncio.sleep(5)

    scene = Scene(failures=9).play(script)
    assert scene.committed == 0 and not scene.letters
    assert scene.failures > 0


def test_too_much_in_flight_pauses_the_subscription_until_work_is_done() -> None:
    async def script(scene: Scene) -> None:
        for n in range(40):
            scene.publish(f"t{n}", "1", f"s{n}")
        await asyncio.sleep(0.9)
        assert scene.stage._paused
        assert sum(line.endswith("begins") for line in scene.log) < 40
        await asyncio.sleep(60)

    assert sum(line.endswith("ends") for line in Scene().play(script).log) == 40
