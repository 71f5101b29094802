"""The scripted provider: what a script says is what happens, when it says so."""

import asyncio
import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from parlance.errors import InvalidRequest, QuotaExhausted
from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, Role
from services.llm.provider import Usage
from services.llm.providers.scripted import Scripted
from services.llm.providers.unconfigured import Unconfigured
from tests.unit.virtual_time import virtual


def ask(words: str) -> AnswerRequest:
    return AnswerRequest(messages=[ChatMessage(role=Role.ROLE_USER, text=words)])


async def parts(provider: Any, words: str = "hello there") -> list[Any]:
    async with aclosing(provider.answer(ask(words))) as given:
        return [part async for part in given]


async def test_echo_says_the_question_back_in_words_with_usage_last() -> None:
    *words, usage = await parts(Scripted("echo"))
    assert words == ["You ", "said: ", "hello ", "there"]
    assert isinstance(usage, Usage) and usage.output_tokens == 4


async def test_a_script_answers_by_what_the_question_contains(tmp_path: Path) -> None:
    script = {"answers": [{"contains": "Weather", "text": "It is sunny."}, {"text": "I see."}]}
    (tmp_path / "s.json").write_text(json.dumps(script))
    provider = Scripted("", file=str(tmp_path / "s.json"))
    assert "".join((await parts(provider, "how is the weather?"))[:-1]) == "It is sunny."
    assert "".join((await parts(provider, "and you?"))[:-1]) == "I see."


@virtual
async def test_delays_are_those_of_the_script() -> None:
    loop = asyncio.get_running_loop()
    came = []
    async with aclosing(Scripted("echo", first_delay_s="2", chunk_delay_s="0.5").answer(ask("hi"))) as given:
        async for _ in given:
            came.append(loop.time())
    assert came == pytest.approx([2, 2.5, 3, 3.5])


async def test_a_fault_comes_after_the_chunks_that_the_script_says() -> None:
    provider = Scripted(answers=[{"text": "a b c", "fail_after": 2, "error": "QUOTA_EXHAUSTED"}])
    heard = []
    with pytest.raises(QuotaExhausted):
        async with aclosing(provider.answer(ask("x"))) as given:
            async for part in given:
                heard.append(part)
    assert heard == ["a ", "b "]


async def test_each_chunk_lets_others_run() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        running = group.create_task(other())
        chunks = len(await parts(Scripted("story")))
        running.cancel()
    assert turns >= chunks - 1


@pytest.mark.parametrize(
    "script",
    [
        {"answers": [{"says": "a"}]},
        {"answers": [{"text": "a", "error": "OUT_OF_TEA"}]},
        {"answers": "none"},
        {"chunk_delay_s": "slow"},
    ],
)
def test_a_script_that_makes_no_sense_is_refused(script: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps(script))
    with pytest.raises(InvalidRequest, match="script"):
        Scripted(file=str(tmp_path / "s.json"))


async def test_without_a_model_one_short_honest_answer() -> None:
    *words, usage = await parts(Unconfigured())
    assert "parlance routes set llm" in "".join(words) and isinstance(usage, Usage)
