"""The command line as a person meets it: what it shows, how it is stopped, what it says when something is wrong."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from parlance.cli_talk import Talk
from parlance.v1.gateway_service_pb2 import Hello
from parlance.v1.reply_pb2 import Outcome, Reason
from tests.e2e.conftest import ROOT, Platform
from tests.e2e.conversation import conversation, route


@pytest.fixture(scope="module", autouse=True)
def _scripted(platform: Platform) -> None:
    """A story of twenty seconds."""
    asyncio.run(_routes(platform.grpc_address))


async def _routes(address: str) -> None:
    await route(address, "llm", "scripted:story", chunk_delay_s="0.05")
    await route(address, "tts", "tone:")


def _start(platform: Platform, *words: str) -> "subprocess.Popen[str]":
    """A command that runs on its own, its output line by line."""
    return subprocess.Popen(
        [sys.executable, "-m", "parlance", *words],
        env={**platform.environment, "PYTHONUNBUFFERED": "1"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_ctrl_c_ends_the_question_too_and_the_next_one_need_not_wait(platform: Platform) -> None:
    with _start(platform, "ask", "tell me a story") as asking:
        assert asking.stdout is not None and asking.stderr is not None
        assert asking.stdout.readline().startswith("parlance: This is sentence number 1")
        asking.send_signal(signal.SIGINT)
        out, err = asking.stdout.read(), asking.stderr.read()
    assert (asking.returncode, err) == (130, "") and "cancelled: interrupted" in out
    began = time.monotonic()
    assert platform.json("ask", "what is two plus two")["outcome"] == "answered"
    assert time.monotonic() - began < 10, "it waited for the story"
    story = next(t for t in platform.json("turns") if t["text"] == "tell me a story")
    assert (story["outcome"], story["reason"]) == ("cancelled", "interrupted")


async def test_a_question_that_a_timer_cuts_off_ends_there(platform: Platform) -> None:
    async with conversation(platform.grpc_address, Hello(mute=True)) as staying:
        await staying.answered("set a timer for 1 second")
        shown: list[str] = []
        talk = Talk(platform.grpc_address, lambda who, text: shown.append(f"{who}: {text}"))
        talk.send_text("tell me a story")
        async with asyncio.timeout(20):
            heard = await talk.run(0)
        assert any("timer is done" in c.text for c in staying.of("clause"))
    assert (heard.ended.outcome, heard.ended.reason) == (Outcome.OUTCOME_CANCELLED, Reason.REASON_CUT_IN)
    assert shown[-1] == "note: cancelled: cut in"


def test_tables_are_readable_in_eighty_columns(platform: Platform) -> None:
    told = platform.json("ask", "what is seven times twelve")
    platform.extra["COLUMNS"] = "80"
    try:
        shown = {name: platform.cli(*words).stdout for name, words in _tables(told["turn_id"]).items()}
    finally:
        del platform.extra["COLUMNS"]
    for name, text in shown.items():
        assert text and all(len(line) <= 80 for line in text.splitlines()), (name, text)
    for word in ("gateway  TurnAccepted", "dialogue TurnCompleted", "tts      ClauseSpoken", "█", "tone:"):
        assert word in shown["turn"]
    assert told["turn_id"][:8] in shown["turns"] and "answered" in shown["turns"]


def _tables(turn_id: str) -> dict[str, list[str]]:
    return {"turn": ["turn", turn_id], "turns": ["turns"], "routes": ["routes"], "doctor": ["doctor"], "dlq": ["dlq"]}


def test_where_the_sound_cannot_be_written_nothing_is_asked(platform: Platform, tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere" / "reply.wav"):
        done = platform.cli("ask", "put marzipan on my shopping list", "--out", place)
        assert done.returncode == 2 and "cannot be written" in done.stderr
    assert all("marzipan" not in t["text"] for t in platform.json("turns"))


def test_a_reader_that_has_seen_enough_is_no_error(platform: Platform) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "parlance", "turns", "--json"],
        env=platform.environment,
        cwd=ROOT,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"PARLANCE_GRPC_PORT": "99999"}, "PARLANCE_GRPC_PORT must be a port number"),
        ({"PARLANCE_TIME_ZONE": "Mars/Olympus"}, "set PARLANCE_TIME_ZONE to an IANA name"),
        ({"PARLANCE_LOG": "loud"}, "PARLANCE_LOG is one of"),
        ({"PARLANCE_HOME": __file__}, "set PARLANCE_HOME to a directory"),
        ({"PARLANCE_BUS": "kafka"}, "PARLANCE_BUS"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(own_platform: Platform, settings: dict[str, str], told: str) -> None:
    own_platform.extra.update(settings)
    done = own_platform.cli("run")
    assert done.returncode == 2 and told in done.stderr and done.stderr.startswith("parlance: ")
    assert "Traceback" not in done.stderr and not done.stdout
