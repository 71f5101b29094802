"""Each service in a process of its own, two gateways: turns cross them, and what dies in the middle is made up for."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ROOT, Platform
from tests.e2e.spoken import AUDIO
from tests.ports import free_port
from tests.processes import Processes, processes

pytestmark = pytest.mark.kafka

STORY = " ".join(f"This is sentence {n} of a story." for n in range(1, 9))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with processes(tmp_path_factory.mktemp("processes"), {"gateway": 2, "tts": 2}) as (made, _):
        yield made


@pytest.fixture(scope="module")
def client(stack: Processes) -> Platform:
    made = stack.client()
    script = stack.folder / "story.json"
    script.write_text(json.dumps({"chunk_delay_s": 0.1, "answers": [{"text": STORY}]}))
    assert made.cli("routes", "set", "llm", "scripted:story", "--set", f"file={script}").returncode == 0
    return made


class Asking(threading.Thread):
    """One command of the client, in the background."""

    def __init__(self, client: Platform, *words: str | Path) -> None:
        super().__init__()
        self._client, self._words = client, words
        self.done: subprocess.CompletedProcess[str] | None = None
        self.start()

    def run(self) -> None:
        self.done = self._client.cli(*self._words)

    def told(self) -> Any:
        self.join()
        assert self.done is not None and self.done.returncode == 0, self.done
        return json.loads(self.done.stdout)


def _open_turn(client: Platform, within_s: float = 15.0) -> str:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        turns = client.json("turns")
        if turns and turns[0]["outcome"] is None:
            return str(turns[0]["turn_id"])
    raise AssertionError("no turn is open")


def _ends(client: Platform, turn_id: str) -> int:
    return [s["event"] for s in client.json("turn", turn_id)["stages"]].count("TurnCompleted")


def test_typed_and_spoken_turns_cross_all_services(client: Platform) -> None:
    assert client.json("ask", "put milk on my shopping list")["outcome"] == "answered"
    assert "milk" in client.json("ask", "what's on my shopping list")["reply"]
    said = client.json("say", AUDIO / "what-is-seven-times-twelve.wav")
    assert "84" in said["reply"] and said["audio_seconds"] > 1
    assert {s["name"] for s in said["stages"]} == {"gateway", "speech", "intent", "actions", "dialogue", "tts"}
    story = client.json("ask", "tell me a story")
    assert story["reply"] == STORY
    assert client.json("replay", "turn", story["turn_id"], "--verify")["verified"]


def test_a_timer_goes_off_once_at_the_gateway_where_somebody_is(stack: Processes, client: Platform) -> None:
    """Set through one gateway, heard through the other one, for its device is gone."""
    only = {"PARLANCE_GATEWAY_ADDRESS": stack["gateway"].address}
    first = Platform(stack.home, extra={**client.extra, **only})
    assert first.json("ask", "set a timer for four seconds")["outcome"] == "answered"
    other = {"PARLANCE_GATEWAY_ADDRESS": stack["gateway2"].address}
    second = Platform(stack.home, extra={**client.extra, **other})
    told = second.json("ask", "what is two plus two", "--stay", "9")
    assert re.search(r"4 seconds?|timer", told["unasked"].lower()), told
    assert told["unasked"].lower().count("timer") == 1


def test_a_gateway_that_dies_in_an_answer_costs_no_clause_and_repeats_none(stack: Processes, client: Platform) -> None:
    asking = Asking(client, "ask", "tell me a story", "--json")
    turn_id = _open_turn(client)
    time.sleep(1.0)
    stack["gateway"].kill()
    told = asking.told()
    stack["gateway"].start()
    stack["gateway"].wait_ready()
    assert (told["turn_id"], told["reply"], told["outcome"]) == (turn_id, STORY, "answered")
    assert _ends(client, turn_id) == 1


def test_speech_that_dies_in_an_utterance_loses_no_word_of_it(stack: Processes, client: Platform) -> None:
    asking = Asking(client, "say", ROOT / "examples/audio/jfk.flac", "--json")
    turn_id = _open_turn(client)
    stack["speech"].kill()
    stack["speech"].start()
    told = asking.told()
    assert told["turn_id"] == turn_id and told["outcome"] == "answered"
    words = re.sub(r"[^a-z ]", "", told["transcript"].lower())
    assert words == (
        "and so my fellow americans ask not what your country can do for you ask what you can do for your country"
    )


def test_llm_that_dies_in_an_answer_ends_the_turn_and_says_so(stack: Processes, client: Platform) -> None:
    asking = Asking(client, "ask", "tell me a story", "--json")
    turn_id = _open_turn(client)
    time.sleep(1.0)
    stack["llm"].kill()
    asking.join()
    stack["llm"].start()
    stack["llm"].wait_ready()
    assert asking.done is not None and asking.done.returncode == 1
    told = json.loads(asking.done.stdout)
    assert told["outcome"] == "failed" and _ends(client, turn_id) == 1
    assert client.json("ask", "tell me a story")["reply"] == STORY


def test_dialogue_that_dies_in_an_answer_goes_on_with_it(stack: Processes, client: Platform) -> None:
    """The answer is joined again: it still runs in llm."""
    asking = Asking(client, "ask", "tell me a story", "--json")
    turn_id = _open_turn(client)
    time.sleep(1.0)
    stack["dialogue"].kill()
    stack["dialogue"].start()
    told = asking.told()
    assert (told["turn_id"], told["reply"], told["outcome"]) == (turn_id, STORY, "answered")
    assert _ends(client, turn_id) == 1


def test_a_frozen_voice_is_noticed_and_the_other_one_speaks(stack: Processes, client: Platform) -> None:
    for name in ("tts", "tts2"):
        stack[name].signal(signal.SIGSTOP)
        began = time.monotonic()
        try:
            told = client.json("ask", "what is seven times twelve")
        finally:
            stack[name].signal(signal.SIGCONT)
        assert told["audio_seconds"] > 1 and time.monotonic() - began < 6


@pytest.mark.parametrize("service", ["tts", "llm"])
def test_without_kafka_it_says_what_to_type(service: str, stack: Processes) -> None:
    def run(**settings: str) -> subprocess.CompletedProcess[str]:
        env = {**stack[service].env, "PARLANCE_LISTEN": "", **settings}
        command = [sys.executable, "-m", f"services.{service}"]
        return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    none = run(PARLANCE_BUS="")
    assert none.returncode == 2 and "set PARLANCE_BUS to kafka://HOST:PORT" in none.stderr
    absent = run(PARLANCE_BUS="kafka://127.0.0.1:9", PARLANCE_START_WAIT_S="3")
    assert absent.returncode == 1 and "no Kafka broker answers at kafka://127.0.0.1:9" in absent.stderr
    assert "tried again for 3 s more" in absent.stderr
    taken = run(PARLANCE_LISTEN=stack["tts2"].address, PARLANCE_HTTP_PORT=str(free_port()))
    assert taken.returncode == 1 and "choose another with PARLANCE_LISTEN" in taken.stderr
