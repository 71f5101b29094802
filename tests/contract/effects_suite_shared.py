"""What must hold of acts where several processes have the rows: the first writer wins, and each knows what is whose."""

import asyncio

import pytest

from parlance import clock, ids
from parlance.rpc import one
from parlance.v1.actions_service_pb2 import RunResponse
from services.actions import outside
from tests.contract.effects_suite import (
    BEGUN,
    DONE,
    REFUSED,
    UNKNOWN,
    EffectsSuite,
    OpenReplica,
    Post,
    letter,
    told,
)
from tests.unit.actions_home import Home, new_call, new_request


class SharedEffectsSuite(EffectsSuite):
    """Where several processes have the rows."""

    @pytest.fixture
    async def other(self, home: Home, open_replica: OpenReplica) -> Home:
        return await open_replica()

    async def test_the_first_writer_of_a_call_id_wins_between_two_processes(self, home: Home, other: Home) -> None:
        for n in range(10):
            request, call = new_request("list.add", f"put item{n} on my shopping list"), new_call(f"call-{n}")
            answers = await asyncio.gather(*(one(h.service.run(request, call)) for h in (home, other) * 2))
            assert len({a.SerializeToString() for a in answers}) == 1
        shown: RunResponse = await home.run("list.show", list="shopping")
        assert len(shown.card.lines) == 10
        assert [await told(home, f"call-{n}") for n in range(10)] == [[DONE]] * 10

    async def test_running_and_settling_at_once_agree(self, home: Home, other: Home) -> None:
        for n in range(10):
            request, call = new_request("note.add", f"take a note: n{n}"), new_call(f"call-{n}")
            ran, settled = await asyncio.gather(one(home.service.run(request, call)), other.settle(f"call-{n}"))
            assert ran.settlement == settled.settlement in (DONE, REFUSED)

    async def test_another_process_joins_what_is_begun_and_sends_nothing(
        self, home: Home, other: Home, post: Post
    ) -> None:
        post.may.clear()
        asking = asyncio.ensure_future(one(home.service.run(*letter("call-1"))))
        await post.began.wait()
        joining = asyncio.ensure_future(one(other.service.run(*letter("call-1"))))
        await asyncio.sleep(0.2)
        post.may.set()
        assert await joining == await asking and post.sent == ["call-1"]

    async def test_a_process_that_starts_leaves_alone_what_others_are_at(
        self, home: Home, post: Post, open_replica: OpenReplica
    ) -> None:
        post.may.clear()
        asking = asyncio.ensure_future(one(home.service.run(*letter("call-1"))))
        await post.began.wait()
        await open_replica()
        post.may.set()
        assert (await asking).settlement == DONE and await told(home, "call-1") == [BEGUN, DONE]

    async def test_an_end_that_comes_after_it_was_given_up_changes_nothing(
        self, home: Home, other: Home, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outside, "_WRITE_US", -600_000)  # given up at once
        post.may.clear()
        asking = asyncio.ensure_future(one(home.service.run(*letter("call-1"))))
        await post.began.wait()
        assert (await other.settle("call-1")).settlement == UNKNOWN
        post.may.set()
        assert (await asking).settlement == UNKNOWN and await told(home, "call-1") == [BEGUN, UNKNOWN]

    async def test_each_timer_goes_off_once_under_the_tickers_of_two_processes(self, home: Home, other: Home) -> None:
        for _ in range(30):
            await home.run("timer.set", "set a timer for one minute", new_call(ids.new()))
        later = clock.now_us() + 61_000_000
        clock.use(lambda: later)
        try:
            await asyncio.gather(*(h.store.transact(h.ticker._fire) for h in (home, other) * 3))
        finally:
            clock.use(None)
        fired = [e.fired.timer_id for e in await home.events() if e.WhichOneof("event") == "fired"]
        assert len(fired) == len(set(fired)) == 30
