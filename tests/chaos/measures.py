"""Measured on a stack without other faults: how soon what is frozen is noticed, and what poison costs others."""

import asyncio
import random
import signal
import time
from contextlib import AsyncExitStack

from parlance import clock, ids
from parlance.errors import ParlanceError
from parlance.rpc import Call
from parlance.rpc_grpc import GrpcCarrier
from parlance.v1.context_service_pb2 import LookupRequest
from parlance.v1.turn_pb2 import Header
from tests.chaos.run import Result, background, poisoning
from tests.chaos.stack import Stack
from tests.chaos.talkers import Talker

QUESTION = "what is seven times twelve"
PEER_S = 1.5
# The group's session timeout, and a second to share out what the frozen one had.
CONSUMER_S = 7.0
# Healthy sessions' p99 with poison to that without it, in turns of the same minute.
POISON_RATIO = 1.5
_WINDOW_S = 6.0


async def measured(running: Stack, result: Result) -> None:
    """All of it; what is out of bounds becomes a problem of the run."""
    talkers = result.talkers
    await asks(talkers)
    peer = await frozen_peer(running)
    usual = max(await asks(talkers))
    consumer = max(await _frozen_intent(running, talkers)) - usual
    without, with_ = await poison(running, result)
    ratio = percentile(with_, 0.99) / percentile(without, 0.99)
    result.measured |= {
        "frozen_peer_noticed_s": peer,
        "frozen_consumer_noticed_s": consumer,
        "p99_without_poison_s": percentile(without, 0.99),
        "p99_with_poison_s": percentile(with_, 0.99),
        "poison_ratio": ratio,
        "turns_in_each_arm": float(min(len(with_), len(without))),
    }
    for what, got, bound in (
        ("a frozen gRPC peer was noticed after", peer, PEER_S),
        ("a frozen consumer was noticed after", consumer, CONSUMER_S),
        ("p99 with poison to p99 without it was", ratio, POISON_RATIO),
    ):
        if got > bound:
            result.problems.append(f"{what} {got:.2f}, more than {bound}")


def percentile(values: list[float], share: float) -> float:
    """By the nearest rank; 0 where there is none."""
    found = sorted(values)
    return found[min(len(found) - 1, int(share * len(found)))] if found else 0.0


async def asks(talkers: list[Talker]) -> list[float]:
    """Everybody asks at once; the seconds that each waited."""
    return [asked.seconds for asked in await asyncio.gather(*(t.ask(QUESTION) for t in talkers))]


async def frozen_peer(running: Stack) -> float:
    """How long a call into a process that was frozen goes on before its asker is told."""
    process = running.processes["context"]
    carrier = GrpcCarrier({"Context": process.address})
    try:
        await _lookup(carrier)
        process.signal(signal.SIGSTOP)
        began = time.monotonic()
        try:
            await _lookup(carrier)
        except ParlanceError:
            return time.monotonic() - began
        finally:
            process.signal(signal.SIGCONT)
        raise AssertionError("a frozen process answered")
    finally:
        await carrier.stop()


async def _lookup(carrier: GrpcCarrier) -> None:
    header = Header(user_id="owner", session_id="probe", turn_id=ids.new(), accepted_at_us=clock.now_us())
    call = Call(ids.new(), header, asyncio.get_running_loop().time() + 20)
    async for _ in carrier.ask("Context.Lookup", LookupRequest(query="contacts.phone", text="Anna's number"), call):
        pass


async def _frozen_intent(running: Stack, talkers: list[Talker]) -> list[float]:
    """One of two members of a group is frozen; everybody asks."""
    process = running.processes["intent2"]
    process.signal(signal.SIGSTOP)
    try:
        return await asks(talkers)
    finally:
        process.signal(signal.SIGCONT)


async def poison(running: Stack, result: Result, rounds: int = 3) -> tuple[list[float], list[float]]:
    """(seconds of turns without, with poison), in windows one after the other."""
    without: list[float] = []
    with_: list[float] = []
    async with AsyncExitStack() as opened:
        dice = random.Random(result.plan.seed)
        put = await opened.enter_async_context(poisoning(running, dice, result.poison))

        async def pour() -> None:
            while True:
                await put()
                await asyncio.sleep(0.1)

        for _ in range(rounds):
            without += await _window(result.talkers)
            async with background(pour()):
                with_ += await _window(result.talkers)
    return without, with_


async def _window(talkers: list[Talker]) -> list[float]:
    until = time.monotonic() + _WINDOW_S

    async def talk(talker: Talker) -> list[float]:
        made = []
        while time.monotonic() < until:
            made.append((await talker.ask(QUESTION)).seconds)
            await asyncio.sleep(0.1)
        return made

    return [seconds for each in await asyncio.gather(*map(talk, talkers)) for seconds in each]
