"""What goes wrong with a language model is told: by the name of what mends it, in a sentence, at the end of a turn; the
next question is answered."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from parlance.client import Client
from parlance.errors import InvalidRequest
from parlance.v1.gateway_service_pb2 import AskModelRequest
from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, Role, Tool
from tests.e2e.conftest import Platform
from tests.e2e.vendor_stub import WORDS, Vendor, vendor
from tests.ports import free_port

QUESTION = "why is the sky blue"
CATALOGUE = """
models:
  compatible:tiny:
    tier: device
    base_url: http://127.0.0.1:9/v1
    context_tokens: 300
    max_output_tokens: 100
    capabilities: [chat]
    prices: [{since: 2020-01-01, input: 1, output: 1, cache_read: 0, cache_write: 0}]
  scripted:acme:
    tier: partner
    vendor: acme
    speaks_as: Acme
    context_tokens: 100000
    max_output_tokens: 1000
    capabilities: [chat]
    prices: [{since: 2020-01-01, input: 1000, output: 5000, cache_read: 1, cache_write: 1}]
  scripted:dear:
    tier: house
    context_tokens: 100000
    max_output_tokens: 1000
    capabilities: [chat]
    prices: [{since: 2020-01-01, input: 1000, output: 5000, cache_read: 1, cache_write: 1}]
"""
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("bad")
    (folder / "catalogue.yaml").write_text(CATALOGUE)
    made = Platform(folder / "home")
    made.extra |= {"PARLANCE_CATALOGUE": str(folder / "catalogue.yaml"), "HOUSE_KEY": "a-wrong-key"}
    made.start()
    yield made
    assert made.end() == 0


@pytest.fixture
def stub() -> Iterator[Vendor]:
    with vendor() as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_is_lost(platform: Platform) -> Iterator[None]:
    """After whatever went wrong the next turn is answered by another target, and none is left open."""
    yield
    assert platform.cli("routes", "set", "llm", "scripted:echo", "--day", "0").returncode == 0
    told = platform.json("ask", QUESTION)
    assert (told["outcome"], told["reply"]) == ("answered", f"You said: {QUESTION}")
    left = [turn for turn in platform.json("turns") if not turn["outcome"] and turn["turn_id"] != told["turn_id"]]
    assert not left


def routed(platform: Platform, *words: str) -> None:
    done = platform.cli("routes", "set", "llm", *words)
    assert done.returncode == 0, done.stderr


def failed(platform: Platform, sentence: str) -> dict[str, Any]:
    """A turn that ended so, with this sentence said; what its record tells."""
    told = platform.json("ask", QUESTION, code=1)
    assert told["outcome"] == "failed" and sentence in told["reply"], told
    record: dict[str, Any] = platform.json("turn", told["turn_id"])
    return record


@pytest.mark.parametrize(
    ("refusal", "sentence", "mends"),
    [
        ((401, "invalid_api_key"), "does not accept our key", "--set api_key_env=NAME"),
        ((403, ""), "I may not do that", "does not let this key ask"),
        ((402, ""), "The budget for this is used up", "its bill is not paid"),
        ((429, "insufficient_quota"), "The budget for this is used up", "its account needs more"),
        ((429, "rate_limit_exceeded"), "too busy right now", "asked too often"),
        ((404, "model_not_found"), "Something went wrong", "set another one in the route"),
        ((404, ""), "Something went wrong", "check base_url and the model's name"),
        ((400, "context_length_exceeded"), "Something went wrong", "longer than the model can read"),
        ((500, "server_error"), "I could not reach", "failed"),
        ((307, ""), "Something went wrong", "set base_url to that one"),
    ],
)
def test_what_a_vendor_refuses_is_said_and_what_mends_it_is_told(
    platform: Platform, stub: Vendor, refusal: tuple[int, str], sentence: str, mends: str
) -> None:
    stub.status, stub.code = status, code = refusal
    stub.echo = True
    routed(platform, f"compatible:m{status}{code}", "--set", f"base_url={stub.url}", "--set", "api_key_env=HOUSE_KEY")
    record = failed(platform, sentence)
    assert stub.keys[0] == "Bearer a-wrong-key"
    assert mends in str(record), record
    asked = platform.cli("llm", "ask", QUESTION)
    assert asked.returncode in (1, 2) and mends in asked.stderr and "Traceback" not in asked.stderr
    assert "may not ask" not in str(record) + asked.stderr, "the vendor's own words stay where they are"


def test_nobody_there_is_said(platform: Platform) -> None:
    routed(platform, "compatible:gone", "--set", f"base_url=http://127.0.0.1:{free_port()}/v1")
    record = failed(platform, "I could not reach")
    assert "is it running?" in str(record)


def test_who_says_nothing_is_given_up(platform: Platform, stub: Vendor) -> None:
    stub.stall = True
    routed(platform, "compatible:still", "--set", f"base_url={stub.url}", "--first", "0.5")
    assert "said nothing for 0.5 s" in str(failed(platform, "I could not reach"))


def test_who_is_down_is_followed_by_the_next_one_and_then_left_alone(platform: Platform, stub: Vendor) -> None:
    stub.status = 500
    routed(platform, "compatible:down", "--set", f"base_url={stub.url}", "--then", "scripted:echo")
    for _ in range(6):
        assert platform.json("llm", "ask", QUESTION)["provider"] in ("compatible:down", "scripted:echo")
    assert len(stub.asked) == 5
    told = platform.json("llm", "explain", QUESTION)
    assert told["target"] == "scripted:echo" and "left alone" in told["candidates"][0]["passed_over"]


def test_a_vendor_that_is_well_again_answers(platform: Platform, stub: Vendor) -> None:
    routed(platform, "compatible:well", "--set", f"base_url={stub.url}")
    told = platform.json("ask", QUESTION)
    assert (told["outcome"], told["reply"]) == ("answered", "".join(WORDS))


def test_a_question_that_is_too_long_is_told_with_its_length(platform: Platform, stub: Vendor) -> None:
    routed(platform, "compatible:tiny", "--set", f"base_url={stub.url}")
    done = platform.cli("llm", "ask", "why " * 500)
    assert done.returncode == 2 and "too long" in done.stderr and "of 300 that it can hold" in done.stderr
    assert "parlance routes set llm TARGET" in done.stderr and not stub.asked


def test_a_picture_is_shown_to_nobody_who_sees_none(platform: Platform, stub: Vendor, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(PNG)
    routed(platform, "compatible:tiny", "--set", f"base_url={stub.url}")
    done = platform.cli("llm", "ask", QUESTION, "--image", tmp_path / "x.png")
    assert done.returncode == 2 and "it sees no images" in done.stderr, done.stderr
    assert "parlance routes set llm TARGET --for vision" in done.stderr and not stub.asked
    (tmp_path / "x.txt").write_text("no picture")
    for name in ("x.txt", "nowhere.png"):
        done = platform.cli("llm", "ask", QUESTION, "--image", tmp_path / name)
        assert done.returncode == 2 and name in done.stderr.replace("\n", "")


def test_a_spent_budget_is_said_and_the_command_that_raises_it_told(platform: Platform) -> None:
    routed(platform, "scripted:dear", "--day", "0.000001")
    record = failed(platform, "The budget for this is used up")
    assert "parlance routes budget llm raises it" in str(record), record
    done = platform.cli("llm", "ask", QUESTION)
    assert done.returncode == 1 and "parlance routes budget llm raises it" in done.stderr


def test_a_partner_needs_its_users_word_and_how_to_give_it_is_told(platform: Platform) -> None:
    routed(platform, "scripted:acme")
    told = platform.json("ask", QUESTION)
    assert "May I ask Acme?" in told["reply"]
    done = platform.cli("llm", "ask", QUESTION)
    assert done.returncode == 1 and "add --model scripted:acme" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("compatible:tinny",), "needs a server: --set base_url="),
        (("anthropic:claude-haiku-55",), "did you mean 'anthropic:claude-haiku-5-5'"),
        (("antropic:claude-haiku-5-5",), "did you mean"),
        (("compatible:x", "--set", "base_url=localhost"), "base_url"),
        (("compatible:x", "--set", "baseurl=http://127.0.0.1:1/v1"), "base"),
        (("compatible:x", "--set", "base_url"), "NAME=VALUE"),
        (("scripted:echo", "--for", "wbe"), "did you mean 'web'"),
        (("scripted:echo", "--ceiling", "hause"), "did you mean 'house'"),
        (("scripted:echo", "--share", "0"), "1 to 100"),
        (("scripted:echo", "--day", "-1"), "not -1"),
        (("scripted:echo", "--first", "soon"), "--first is a number"),
        (("scripted:echo", "--then", "scriptd:echo"), "scriptd:echo"),
        (("scripted:x", "--set", "file=/nowhere.json"), "/nowhere.json cannot be read"),
        (("compatible:x", "--set", "base_url=http://u:secret-4711@127.0.0.1:1/v1"), "--set api_key_env=NAME"),
        (("compatible:x", "--set", "base_url=http://127.0.0.1:1/v1", "--set", "api_key=secret-4711"), "api_key_env"),
    ],
)
def test_a_route_with_a_typo_is_refused_by_name(platform: Platform, words: tuple[str, ...], said: str) -> None:
    before = platform.json("routes")
    done = platform.cli("routes", "set", "llm", *words)
    assert done.returncode == 2 and said in done.stderr.partition("\n  parlance")[0], done.stderr
    assert platform.json("routes") == before and "secret-4711" not in done.stderr + str(before)


def test_what_is_no_json_schema_is_refused_by_the_tools_name(platform: Platform) -> None:
    """No command sends tools, other people's clients do."""
    tool = Tool(name="look", parameters='{"type": "objekt"}')
    message = ChatMessage(role=Role.ROLE_USER, text=QUESTION)
    for request, named in (
        (AnswerRequest(messages=[message], tools=[tool]), "tool 'look'"),
        (AnswerRequest(messages=[message], output_schema="{nonsense"), "the output schema"),
        (AnswerRequest(messages=[message], tools=[Tool(name="look", parameters="[" * 50_000)]), "tool 'look'"),
    ):
        with pytest.raises(InvalidRequest, match=named):
            asyncio.run(_asked(platform, request))


async def _asked(platform: Platform, request: AnswerRequest) -> None:
    async with (
        Client(platform.grpc_address) as client,
        aclosing(client.stream("AskModel", AskModelRequest(request=request))) as parts,
    ):
        async for _ in parts:
            pass


def test_keys_that_others_may_read_stop_a_route_and_not_the_platform(platform: Platform) -> None:
    file = platform.home / "secrets.env"
    file.write_text("MINE=x\n")
    file.chmod(0o604)
    done = platform.cli("routes", "set", "llm", "compatible:x", "--set", "api_key_env=MINE")
    assert done.returncode == 2 and f"chmod 600 {file}" in done.stderr
    file.unlink()
