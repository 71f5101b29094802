"""Cancels, deadlines and restarts at bad moments, and vendors that never stop: what was begun is booked once, nothing
stays reserved."""

import asyncio
import gzip
import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from parlance import clock
from parlance.errors import DeadlineExceeded, Unavailable
from parlance.rpc import Call
from parlance.v1.control_pb2 import LlmTarget, RouteSet
from parlance.v1.turn_pb2 import END_CANCELLED, END_COMPLETE, END_FAILED, Header
from services.llm.attempt import Limits
from tests.unit.llm_desk import ANNA, Desk, own_catalogue, question, scripted, targets
from tests.unit.sse_server import serving

PRICED: dict[str, Any] = {"tier": "house", "input": "1", "output": "5"}
TEXT = "Rain fell on the old harbour that night."


def desk_of(path: Path, *of: tuple[str, dict[str, Any]]) -> Desk:
    models = own_catalogue(path, **{name: dict(PRICED) for name, _ in of})
    made = [scripted(path, name, answers=[{"text": TEXT, **line}]) for name, line in of]
    return Desk(targets(*made), models=models)


def settled(desk: Desk) -> list[tuple[int, int]]:
    """Number and end of each attempt; nothing is reserved, no number and no event comes twice."""
    assert desk.parts.spending._reserved == {}
    booked = desk.of("usage")
    assert len({u.attempt for u in booked}) == len(booked)
    assert len({e.header.event_id for e in desk.events}) == len(desk.events)
    return [(u.attempt, u.end) for u in booked]


async def test_a_cancel_between_two_attempts_ends_it(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, ("one", {"fail_after": 0}), ("two", {}))
    made, reached = desk.service._loading.provider, asyncio.Event()

    async def slow(target: LlmTarget, model: Any) -> Any:
        if target.target == "scripted:two":
            reached.set()
            await asyncio.sleep(60)
        return await made(target, model)

    desk.service._loading.provider = slow  # type: ignore[method-assign]
    async with desk.service:
        asking = asyncio.ensure_future(desk.ask())
        await asyncio.wait_for(reached.wait(), 5)
        assert await desk.service.answers.cancel("c1")
        with pytest.raises(Unavailable):
            await asking
    assert settled(desk) == [(0, END_FAILED)]


@pytest.mark.parametrize("hedge_ms", [0, 20])
async def test_a_deadline_in_the_middle_of_a_failover_ends_all_of_it(tmp_path: Path, hedge_ms: int) -> None:
    desk = desk_of(tmp_path, ("one", {"fail_after": 0, "first_delay_s": 0.1}), ("two", {"first_delay_s": 60}))
    desk.route.rules[0].targets[0].hedge_ms = hedge_ms
    header = Header(event_id="e1", turn_id="t1", user_id=ANNA, deadline_us=clock.now_us() + 400_000)
    soon = Call("c1", header, asyncio.get_running_loop().time() + 0.4)
    async with desk.service, aclosing(desk.service.answer(question("hello"), soon)) as parts:
        with pytest.raises(DeadlineExceeded):
            async for _ in parts:
                pass
    assert sorted(settled(desk)) == [(0, END_FAILED), (1, END_CANCELLED)]


@pytest.mark.parametrize("at_s", [0.0, 0.01, 0.03, 0.05, 0.08, 0.12])
async def test_a_cancel_at_any_moment_of_a_hedge_leaves_nothing(tmp_path: Path, at_s: float) -> None:
    desk = desk_of(tmp_path, ("one", {"first_delay_s": 0.06}), ("two", {"first_delay_s": 0.03}))
    desk.route.rules[0].targets[0].hedge_ms = 30
    async with desk.service:
        asking = asyncio.ensure_future(desk.ask())
        await asyncio.sleep(at_s)
        await desk.service.answers.cancel("c1")
        await asyncio.wait([asking])
    assert len(settled(desk)) <= 2


async def test_a_restart_in_the_middle_of_a_failover_numbers_on(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir(), second.mkdir()
    before = desk_of(first, ("one", {"fail_after": 0}), ("two", {"first_delay_s": 60}))
    after = desk_of(second, ("one", {"fail_after": 0}), ("two", {}))
    async with before.service:
        asking = asyncio.ensure_future(before.ask())
        while not before.of("usage"):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
    await asyncio.wait([asking])
    assert settled(before) == [(0, END_FAILED), (1, END_CANCELLED)]
    async with after.service:
        for event in before.events:
            after.service.recover(event)
        assert await after.text() == TEXT
    assert settled(after) == [(2, END_FAILED), (3, END_COMPLETE)]
    assert not {e.header.event_id for e in before.events} & {e.header.event_id for e in after.events}


def local(url: str) -> RouteSet:
    return targets(LlmTarget(target="compatible:m", settings={"base_url": url}), LlmTarget(target="scripted:echo"))


@pytest.mark.parametrize(
    "flood",
    [
        ": still here\n\n" * 2000,
        "data: {}\n\n" * 2000,
        "data:\n" * 5000,
        'data: {"choices": [{"index": 0, "delta": {"content": ""}}]}\n\n' * 500,
        "x" * 30_000,
    ],
    ids=["pings", "empty", "lines", "nothing", "noise"],
)
async def test_a_flood_that_says_nothing_ends_at_the_deadline_to_the_first_word(flood: str) -> None:
    async with serving(*[flood] * 20_000) as server:
        desk = Desk(local(server.url), Limits(first_s=0.5, next_s=0.5))
        began = asyncio.get_running_loop().time()
        async with desk.service:
            parts = await desk.ask()
        assert asyncio.get_running_loop().time() - began < 8
    assert [p.began.provider for p in parts if p.HasField("began")] == ["compatible:m", "scripted:echo"]


@pytest.mark.parametrize(
    "script",
    [
        [b'data: {"choices": [{"index": 0, "delta": {"content": "\xff\xfe"}}]}\n\n'.decode("latin-1")],
        ["data: " + "[" * 200_000 + "\n\n"],
        ["data: " + json.dumps({"choices": [{"delta": {"content": {"a": 1}}}]}) + "\n\n"],
        ["data: " + json.dumps({"choices": None, "usage": None}) + "\n\n", "data: null\n\n"],
        ["data: 1e999\n\n"],
        ["data: " + json.dumps({"choices": [{"delta": {"tool_calls": [{"function": None}] * 50}}]}) + "\n\n"],
        ["data: " + json.dumps({"error": {"message": TEXT, "code": None}}) + "\n\n"],
        ["HTTP/1.1 200 OK\r\n\r\n"],
    ],
)
async def test_what_makes_no_sense_is_followed_by_the_next_one(script: list[str]) -> None:
    async with serving(*script) as server:
        desk = Desk(local(server.url), Limits(first_s=2, next_s=2))
        async with desk.service:
            parts = await desk.ask()
    assert "".join(p.text for p in parts) == "You said: hello there"
    assert TEXT not in str([u.error for u in desk.of("usage")])


async def test_what_is_packed_a_thousandfold_is_no_event() -> None:
    """200 MB in 200 KB, which nobody asked for packed."""
    bomb = gzip.compress(b"data: " + b"x" * 200_000_000, 9)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode() + bomb)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        desk = Desk(local(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"), Limits(first_s=5, next_s=5))
        async with desk.service:
            assert "".join(p.text for p in await desk.ask()) == "You said: hello there"
