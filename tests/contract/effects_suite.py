"""What must hold of every act, on whatever database: once per call id, and the truth about it (turn contract, 5).

A test module subclasses EffectsSuite and gives the fixture `open_replica`: one more process's Actions on the same rows
where they are shared, else the one process opened again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from parlance import clock, ids
from parlance.errors import DeadlineExceeded, Internal, Refused, Unavailable, Unreachable
from parlance.rpc import Call, one
from parlance.v1.actions_service_pb2 import RunRequest
from parlance.v1.reply_pb2 import Settlement
from services.actions import registry
from services.actions.domain import Action, Asked, Done, Effect
from services.actions.tables import CallRow, Calls
from tests.unit.actions_home import Home, new_call, new_header, new_request

DONE, FAILED, REFUSED, UNKNOWN, BEGUN = (
    Settlement.SETTLEMENT_DONE,
    Settlement.SETTLEMENT_FAILED,
    Settlement.SETTLEMENT_REFUSED,
    Settlement.SETTLEMENT_UNKNOWN,
    Settlement.SETTLEMENT_BEGUN,
)
OpenReplica = Callable[[], Awaitable[Home]]


class Post:
    """The world outside: a letter is sent at once, or when `may` is set; `fails` is raised instead."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.began = asyncio.Event()
        self.may = asyncio.Event()
        self.may.set()
        self.fails: Exception | None = None
        self.seen: list[Any] = []
        self.look: Callable[[], Awaitable[Any]] | None = None

    async def send(self, asked: Asked, call_id: str) -> Done:
        self.began.set()
        if self.look is not None:
            self.seen.append(await self.look())
        await self.may.wait()
        if self.fails is not None:
            raise self.fails
        self.sent.append(call_id)
        return Done(f"Sent to {asked.slot('to')}.", f"your letter to {asked.slot('to')} is sent")


def letter(call_id: str, confirmed_by: str = "pressed-1", seconds: float = 30.0) -> tuple[RunRequest, Call]:
    request = new_request("test.letter", to="ben")
    request.confirmed_by, request.now_us = confirmed_by, 1_790_000_000_000_000
    return request, new_call(call_id, seconds=seconds)


async def told(home: Home, call_id: str) -> list[int]:
    """The settlements of a call on effect.v1, in order."""
    return [e.effect.settlement for e in await home.events() if e.effect.call_id == call_id]


class EffectsSuite:
    @pytest.fixture
    def open_replica(self) -> OpenReplica:
        raise NotImplementedError

    @pytest.fixture
    async def home(self, open_replica: OpenReplica) -> AsyncIterator[Home]:
        yield await open_replica()

    @pytest.fixture
    def post(self, monkeypatch: pytest.MonkeyPatch) -> Post:
        made = Post()
        action = Action(Effect.EXTERNAL, reach=made.send, seconds=0.6)
        monkeypatch.setitem(registry.ACTIONS, "test.letter", action)
        return made

    async def test_a_local_act_is_done_once_however_often_and_at_once_it_is_asked_for(self, home: Home) -> None:
        request, call = new_request("list.add", "put milk on my shopping list"), new_call("call-1")
        answers = await asyncio.gather(*(one(home.service.run(request, call)) for _ in range(5)))
        assert len({a.SerializeToString() for a in answers}) == 1 and answers[0].settlement == DONE
        assert (await home.run("list.show", list="shopping")).say == "Your shopping list has milk."
        assert await told(home, "call-1") == [DONE]

    async def test_the_act_its_row_and_its_event_survive_a_restart_together(
        self, home: Home, open_replica: OpenReplica
    ) -> None:
        request, call = new_request("list.add", "put milk on my shopping list"), new_call("call-1")
        first = await one(home.service.run(request, call))
        await home.close()
        again = await open_replica()
        assert await one(again.service.run(request, call)) == first
        assert (await again.settle("call-1")).settlement == DONE
        assert await told(again, "call-1") == [DONE]

    async def test_settling_an_absent_call_refuses_it_for_ever(self, home: Home, post: Post) -> None:
        assert (await home.settle("call-1")).settlement == REFUSED
        assert (await home.settle("call-2")).settlement == REFUSED
        assert (await home.run("list.add", "put milk on my list", new_call("call-1"))).settlement == REFUSED
        assert (await one(home.service.run(*letter("call-2")))).settlement == REFUSED
        assert post.sent == [] and await told(home, "call-2") == [REFUSED]

    async def test_an_import_replaces_what_was_there(self, home: Home) -> None:
        from services.context import tables as context

        def work(tx: Any) -> list[context.Counts]:
            tx.db.execute(context.SCHEMA)
            rows = [{"a": b"1", "b": b"2"}, {"a": b"1", "b": b"3"}]
            return [context.merge(tx.db, home.sealing, ("anna", "contacts"), r) for r in rows]

        first, second = await home.store.transact(work)
        assert (first.added, second.unchanged, second.updated) == (2, 1, 1)
        found = await home.store.query(lambda db: context.load(db, home.sealing, "anna", "contacts"))
        assert found == {"a": b"1", "b": b"3"}

    async def test_what_reaches_outside_is_begun_on_disk_before_anything_leaves(self, home: Home, post: Post) -> None:
        post.look = lambda: home.service._outside.find("call-1")
        done = await one(home.service.run(*letter("call-1")))
        assert post.seen[0].settlement == BEGUN
        assert (done.settlement, done.say, post.sent) == (DONE, "Sent to ben.", ["call-1"])
        assert await told(home, "call-1") == [BEGUN, DONE]
        settled = await home.settle("call-1")
        assert (settled.settlement, settled.summary) == (DONE, "your letter to ben is sent")

    async def test_it_is_never_run_again(self, home: Home, post: Post) -> None:
        answers = await asyncio.gather(*(one(home.service.run(*letter("call-1"))) for _ in range(3)))
        again = await one(home.service.run(*letter("call-1")))
        assert post.sent == ["call-1"] and len({a.SerializeToString() for a in [*answers, again]}) == 1
        other = new_request("test.letter", to="carl")
        other.confirmed_by, other.now_us = "pressed-1", 1_790_000_000_000_000
        with pytest.raises(Internal):
            await one(home.service.run(other, new_call("call-1")))

    async def test_it_runs_on_where_the_asker_leaves(self, home: Home, post: Post) -> None:
        post.may.clear()
        asking = asyncio.ensure_future(one(home.service.run(*letter("call-1"))))
        await post.began.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        post.may.set()
        assert (await home.settle("call-1")).settlement == DONE and post.sent == ["call-1"]

    @pytest.mark.parametrize(
        ("fails", "settlement"),
        [
            (Unreachable("nobody answers"), FAILED),
            (Refused("no such person"), FAILED),
            (Unavailable("the answer was cut off"), UNKNOWN),
            (ValueError("anna's letter"), UNKNOWN),
        ],
    )
    async def test_failed_is_said_only_where_nothing_can_have_happened(
        self, home: Home, post: Post, fails: Exception, settlement: int
    ) -> None:
        post.fails = fails
        done = await one(home.service.run(*letter("call-1")))
        assert done.settlement == (await home.settle("call-1")).settlement == settlement
        assert "anna" not in done.say and await told(home, "call-1") == [BEGUN, settlement]

    async def test_past_its_own_time_it_is_unknown(self, home: Home, post: Post) -> None:
        post.may.clear()
        began = asyncio.get_running_loop().time()
        assert (await one(home.service.run(*letter("call-1")))).settlement == UNKNOWN
        assert asyncio.get_running_loop().time() - began < 2
        post.may.set()
        assert (await home.settle("call-1")).settlement == UNKNOWN
        assert post.sent == [] and await told(home, "call-1") == [BEGUN, UNKNOWN]

    async def test_settle_waits_a_second_at_most_for_what_is_begun(
        self, home: Home, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slow = Action(Effect.EXTERNAL, reach=post.send, seconds=20.0)
        monkeypatch.setitem(registry.ACTIONS, "test.letter", slow)
        post.may.clear()
        asking = asyncio.ensure_future(one(home.service.run(*letter("call-1"))))
        await post.began.wait()
        began = asyncio.get_running_loop().time()
        assert (await home.settle("call-1")).settlement == UNKNOWN
        assert 0.9 < asyncio.get_running_loop().time() - began < 2
        settling = asyncio.ensure_future(home.settle("call-1"))
        await asyncio.sleep(0.2)
        post.may.set()
        assert (await settling).settlement == DONE == (await asking).settlement

    async def test_without_a_confirmation_or_in_a_run_that_is_not_live_nothing_leaves(
        self, home: Home, post: Post
    ) -> None:
        with pytest.raises(Refused, match="confirmation"):
            await one(home.service.run(*letter("call-1", confirmed_by="")))
        request, _ = letter("call-2")
        with pytest.raises(Refused, match="never reaches outside"):
            await one(home.service.run(request, new_call("call-2", header=new_header(run="r1"))))
        with pytest.raises(DeadlineExceeded):
            await one(home.service.run(*letter("call-3", seconds=-1.0)))
        assert post.sent == [] and await home.events() == []

    async def test_begun_when_its_process_died_it_is_unknown_in_the_end_and_never_run_again(
        self, home: Home, post: Post, open_replica: OpenReplica, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = CallRow("call-1", "anna", "test.letter", b"", BEGUN, new_header(), clock.now_us(), b"")
        await home.store.transact(lambda tx: Calls(tx.db, home.sealing).begin(row, clock.now_us() + 60_000_000))
        await home.close()
        later = clock.now_us() + 61_000_000
        clock.use(lambda: later)
        try:
            again = await open_replica()
        finally:
            clock.use(None)
        assert (await one(again.service.run(*letter("call-1")))).settlement == UNKNOWN
        assert (await again.settle("call-1")).settlement == UNKNOWN
        assert post.sent == [] and await told(again, "call-1") == [UNKNOWN]

    async def test_a_timer_goes_off_once_under_two_tickers(self, home: Home) -> None:
        for _ in range(20):
            await home.run("timer.set", "set a timer for one minute", new_call(ids.new()))
        later = clock.now_us() + 61_000_000
        clock.use(lambda: later)
        try:
            await asyncio.gather(*(home.store.transact(home.ticker._fire) for _ in range(4)))
        finally:
            clock.use(None)
        fired = [e.fired.timer_id for e in await home.events() if e.WhichOneof("event") == "fired"]
        assert len(fired) == len(set(fired)) == 20
