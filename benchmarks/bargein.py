"""Barge-in: from the interruption at the gateway to the last sound of the old turn, and to the cancelled model.

python -m benchmarks.bargein [--trials N]

A long reply is being made and sent, a piece of sound every millisecond, when the user speaks (half of the trials) or
presses the button. In one process, and over gRPC with the client in a process of its own; there the times run from the
client's call to the arrival at the client, so they hold both ways over the socket.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import instant, report
from benchmarks.interrupting import Interrupting, Trial
from benchmarks.report import p50, p99, verdict
from benchmarks.stack import Setup, built, running
from parlance.client import Client
from parlance.rpc import Call
from parlance.rpc_server import GrpcServer
from parlance.v1.speech_service_pb2 import HearRequest, HearResponse, SpeechFinal, SpeechStarted
from parlance.v1.turn_pb2 import Header

PAUSE_S = 0.001
STORY = " ".join(f"This is sentence number {n} of a story without an end." for n in range(1000))
P50_MS, P99_MS = 10.0, 30.0


class NoticesAtOnce:
    """Speech that begins with any sound and holds no words."""

    async def hear(self, requests: AsyncIterator[HearRequest], call: Call) -> AsyncIterator[HearResponse]:
        async for request in requests:
            if request.HasField("pcm"):
                yield HearResponse(started=SpeechStarted())
            elif request.HasField("turn"):
                yield HearResponse(final=SpeechFinal(turn_id=request.turn.turn_id, no_speech=True))


SETUP = Setup(
    script={"chunk_delay_s": PAUSE_S, "answers": [{"text": STORY}]},
    voice={"pieces": "1000", "pause_s": str(PAUSE_S)},
    llm="noted:",
    speech=NoticesAtOnce(),
)


async def _trials(converse: Callable[[Any], AsyncGenerator[Any, None]], count: int) -> list[Trial]:
    chance = random.Random(8)
    device = Interrupting()
    async with aclosing(converse(device.requests())) as messages:
        await device.begin(messages)
        return [await device.trial(messages, chance.randint(3, 20), speaks=n % 2 == 0) for n in range(count)]


async def in_process(count: int) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pieces = await stack.enter_async_context(built(home, SETUP))
        await stack.enter_async_context(running(pieces))
        trials = await _trials(lambda sent: pieces.gateway.converse(sent, Call("", Header())), count)
        return _judged(trials)


async def over_grpc(count: int) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pieces = await stack.enter_async_context(built(home, SETUP))
        await stack.enter_async_context(running(pieces))
        server = GrpcServer({"Gateway": pieces.gateway}, "127.0.0.1:0")
        await server.start()
        stack.push_async_callback(server.stop)
        words = [sys.executable, "-m", "benchmarks.bargein", "--client", f"127.0.0.1:{server.port}"]
        process = await asyncio.create_subprocess_exec(*words, "--trials", str(count), stdout=asyncio.subprocess.PIPE)
        told, _ = await process.communicate()
        return _judged([Trial(**line) for line in json.loads(told)])


async def as_client(address: str, count: int) -> None:
    """The other side of `over_grpc`: prints its trials."""
    async with Client(address) as client:
        trials = await _trials(client.converse, count)
    print(json.dumps([trial.told() for trial in trials]))


def _judged(trials: list[Trial]) -> dict[str, Any]:
    sound = [max(0.0, t.last_sound_at - t.at) * 1000 for t in trials]
    return {
        "trials": len(trials),
        "sound_after_silence": sum(t.after_silence for t in trials),
        "last_sound_ms": _spread(sound),
        "silence_told_ms": _spread([(t.silence_at - t.at) * 1000 for t in trials]),
        "model_cancelled_ms": _spread(_until_cut(trials, instant.cut_answers)),
        "voice_cancelled_ms": _spread(_until_cut(trials, instant.cut_voices)),
    }


def _until_cut(trials: list[Trial], cut: list[float]) -> list[float]:
    """From each interruption to the first stream that was closed after it; its provider ran in this process."""
    found = []
    for trial in trials:
        after = [at for at in cut if at >= trial.at]
        found.append((min(after) - trial.at) * 1000 if after else float("inf"))
    return found


def _spread(values: list[float]) -> dict[str, float]:
    return {"p50": p50(values), "p99": p99(values), "max": max(values)}


def show(told: dict[str, Any]) -> None:
    rows: list[list[object]] = []
    for way, found in told.items():
        for what, name in (
            ("last_sound_ms", "last sound of the old turn"),
            ("silence_told_ms", "the client is told to be silent"),
            ("model_cancelled_ms", "language model cancelled"),
            ("voice_cancelled_ms", "voice cancelled"),
        ):
            spread = found[what]
            met = verdict(spread["p50"], P50_MS) if spread["p50"] > P50_MS else verdict(spread["p99"], P99_MS)
            rows.append([f"{way}: {name}", spread["p50"], spread["p99"], met])
        rows.append([f"{way}: sound after the silence", found["sound_after_silence"], "", ""])
    columns = ("", "p50", "p99", f"p50 <= {P50_MS:g}, p99 <= {P99_MS:g}")
    report.table("From the interruption (ms)", columns, rows)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--trials", type=int, default=200, help="in each of the two ways")
    arguments.add_argument("--client", metavar="ADDRESS", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.client:
        uvloop.run(as_client(given.client, given.trials))
        return
    told = {"in process": uvloop.run(in_process(given.trials))}
    instant.cut_answers.clear()
    instant.cut_voices.clear()
    told["gRPC"] = uvloop.run(over_grpc(given.trials))
    show(told)
    report.save("bargein", told)


if __name__ == "__main__":
    main()
