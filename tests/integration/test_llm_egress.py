"""The record of what leaves is complete: everything that llm sends goes through a proxy outside it that counts bytes,
and what it counted and what the record says agree."""

import asyncio
import json
import random
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import pytest

from parlance.errors import ParlanceError
from parlance.v1.control_pb2 import LlmTarget
from services.llm.attempt import Limits
from services.llm.breaker import Breaker
from tests.unit.llm_desk import Desk, call, question, targets

TURNS = 1000
FAULTS = ("429:0.06", "500:0.05", "cut:0.08", "stall:0.03")
WITHIN = 64 << 10


class Outside:
    """The vendor and the proxy before it, each a process of its own."""

    def __init__(self, port: int, proxy: asyncio.subprocess.Process) -> None:
        self.port, self._proxy = port, proxy

    async def seen(self) -> list[dict[str, Any]]:
        told, _ = await self._proxy.communicate(b"")
        found: list[dict[str, Any]] = json.loads(told)
        return found


@asynccontextmanager
async def outside(*faults: str) -> AsyncGenerator[Outside, None]:
    words = [word for fault in faults for word in ("--fault", fault)]
    delays = ("--first-delay-s", "0.002", "--chunk-delay-s", "0.001", "--slots", "64")
    model = await _started("infra.emulators.model", "--port", "0", *delays, *words)
    assert model.stdout is not None
    port = (await model.stdout.readline()).decode().split("127.0.0.1:")[1].split("/")[0]
    proxy = await _started("tests.integration.counting_proxy", port)
    assert proxy.stdout is not None
    try:
        yield Outside(int(await proxy.stdout.readline()), proxy)
    finally:
        for process in (proxy, model):
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def _started(module: str, *words: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(sys.executable, "-m", module, *words, stdin=pipe, stdout=pipe)


async def ask(desk: Desk, n: int, chance: random.Random) -> None:
    """Some are taken back in the middle."""
    stop_after = chance.randint(1, 8) if chance.random() < 0.1 else 10**6
    words = f"question-{n} " + "why is that so? " * chance.randint(1, 40)
    with suppress(ParlanceError):
        async with aclosing(desk.service.answer(question(words), call(f"c{n}"))) as parts:
            async for _ in parts:
                stop_after -= 1
                if not stop_after:
                    await desk.service.answers.cancel(f"c{n}")


@pytest.mark.slow
async def test_what_a_proxy_outside_counts_is_what_the_record_says() -> None:
    chance = random.Random(20)
    async with outside(*FAULTS) as world:
        target = LlmTarget(target="compatible:emulated", settings={"base_url": f"http://127.0.0.1:{world.port}/v1"})
        # It is left alone after no number of failures: each question is to leave.
        breaker = Breaker(lambda: 0.0, failures=10**9)
        desk = Desk(targets(target), Limits(first_s=0.5, next_s=0.5), breaker=breaker)
        async with desk.service:
            numbers = iter(range(TURNS))

            async def talker() -> None:
                for n in numbers:
                    await ask(desk, n, chance)

            async with asyncio.TaskGroup() as group:
                for _ in range(20):
                    group.create_task(talker())
        seen = {exchange["question"]: exchange for exchange in await world.seen()}
    told = {int(e.call_id.removeprefix("c")): e for e in desk.of("egress")}
    assert len(told) == len(desk.of("egress")) and told.keys() == seen.keys()
    # A few were taken back before anything had left.
    assert TURNS * 0.9 < len(told) <= TURNS == len(desk.of("usage"))
    wrong = [(n, seen[n], str(e)) for n, e in told.items() if not _agrees(e, seen[n])]
    assert not wrong, f"{len(wrong)} of {TURNS}, such as {wrong[:3]}"
    cut = sum(e.cut for e in told.values())
    assert 50 < cut < TURNS / 2 and {200, 429, 500} <= {exchange["status"] for exchange in seen.values()}


def _agrees(told: Any, seen: dict[str, Any]) -> bool:
    if told.estimated or told.bytes_sent != seen["sent"]:
        return False
    if told.cut:
        return abs(told.bytes_received - seen["received"]) <= WITHIN
    return bool(seen["whole"] and told.bytes_received == seen["received"])
