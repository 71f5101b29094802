"""Clients that misbehave: they harm nobody but themselves, and every turn of theirs ends."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from parlance.client import Client
from parlance.errors import InvalidRequest, Unavailable
from parlance.v1.gateway_service_pb2 import ConverseRequest, Hello, ListTurnsRequest, Text
from parlance.v1.reply_pb2 import Outcome, Reason
from parlance.v1.turn_pb2 import ErrorCode
from tests.e2e.conftest import Platform
from tests.e2e.conversation import Conversation, conversation, route

_CONVERSE = "/parlance.v1.Gateway/Converse"
_STORY = "tell me a story about the sea"


@pytest.fixture(scope="module", autouse=True)
def _scripted(platform: Platform) -> None:
    asyncio.run(_routes(platform.grpc_address))


async def _routes(address: str) -> None:
    await route(address, "llm", "scripted:story", chunk_delay_s="0.002")
    await route(address, "tts", "tone:")


def megabytes(platform: Platform) -> float:
    """Resident memory of the platform."""
    assert platform.process is not None
    pages = int(Path(f"/proc/{platform.process.pid}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


async def eventually(talk: Conversation, turn: str, met: Callable[[Any], Any]) -> Any:
    """What the record tells of the turn, once it tells that."""
    async with asyncio.timeout(30):
        while not met(told := await talk.told(turn)):
            await asyncio.sleep(0.1)
    return told


async def outcome_of(talk: Conversation, turn: str) -> Any:
    """(outcome, reason) from the record, once the turn has ended."""
    told = await eventually(talk, turn, lambda told: told.summary.outcome)
    return told.summary.outcome, told.summary.reason


async def test_clients_that_stop_reading_are_let_go_and_disturb_nobody(platform: Platform) -> None:
    """One lets a long reply lie, the other sends twenty thousand questions as well and vanishes without a look."""
    address = platform.grpc_address
    async with AsyncExitStack() as stack:
        slow, flood, other = [
            await stack.enter_async_context(conversation(address, Hello(session_id=name)))
            for name in ("slow", "flood", "other")
        ]
        turns = {talk: await _deaf(talk) for talk in (slow, flood)}
        before = megabytes(platform)
        for _ in range(20_000):
            flood.text(_STORY)
        for _ in range(5):
            assert await other.answered("what is two plus two") == "2 plus 2 is 4."
        assert await outcome_of(other, turns[flood]) == (Outcome.OUTCOME_CANCELLED, Reason.REASON_INTERRUPTED)
        assert (await outcome_of(other, turns[slow]))[0] == Outcome.OUTCOME_ANSWERED
        await eventually(other, turns[slow], lambda told: "ReplyHeard" in [s.event for s in told.steps])
        assert megabytes(platform) - before < 30
        found = await other.client.ask("ListTurns", ListTurnsRequest(limit=500))
        assert len(found.turns) < 500 and all(t.outcome for t in found.turns)
        slow.flows.set()
        await _told_so(slow)
    async with conversation(address) as talk:
        assert await talk.answered("what is two plus two") == "2 plus 2 is 4."
    assert "Traceback" not in platform.log


async def _deaf(talk: Conversation) -> str:
    """Its turn; from its first sound on it reads no more."""
    turn = await talk.ask(_STORY)
    await talk.until(lambda: talk.of("audio", turn))
    talk.flows.clear()
    return turn


async def _told_so(talk: Conversation) -> None:
    """Its stream ends with an error; who is in the middle of writing is not always told which."""
    with pytest.raises(AssertionError):
        await talk.until(lambda: False)
    assert isinstance(talk.error, Unavailable), talk.error


@pytest.mark.parametrize("when", ["accepted", "audio"])
async def test_the_turn_of_a_client_that_vanishes_ends(platform: Platform, when: str) -> None:
    async with conversation(platform.grpc_address, Hello(session_id=f"vanishes-{when}")) as talk:
        turn = await talk.ask(_STORY)
        await talk.until(lambda: talk.of(when, turn))
    async with conversation(platform.grpc_address, Hello(session_id=f"vanishes-{when}")) as talk:
        assert await talk.answered("what is two plus two") == "2 plus 2 is 4."
        outcome, _ = await outcome_of(talk, turn)
        assert outcome in (Outcome.OUTCOME_ANSWERED, Outcome.OUTCOME_CANCELLED)
    assert not platform.log.count("Traceback")


async def test_a_client_that_vanishes_while_it_speaks_is_not_acted_upon(platform: Platform) -> None:
    from tests.e2e.test_interrupt import speech

    async with conversation(platform.grpc_address, Hello(session_id="gone", sample_rate_hz=16000)) as talk:
        talk.audio(speech()[:40_000])
        turn = await talk.next_turn()
    async with conversation(platform.grpc_address, Hello(session_id="gone")) as talk:
        assert await outcome_of(talk, turn) == (Outcome.OUTCOME_CANCELLED, Reason.REASON_NOTHING_HEARD)


async def test_bytes_that_are_no_message_are_refused(platform: Platform) -> None:
    async with grpc.aio.insecure_channel(platform.grpc_address) as channel:
        call = channel.stream_stream(_CONVERSE)(iter([b"\xff\xff\xff\xff garbage"]))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call.read()
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "ConverseRequest" in (refused.value.details() or "")


@pytest.mark.parametrize("first", [ConverseRequest(), ConverseRequest(text=Text(text="hello")), None])
async def test_a_conversation_that_does_not_begin_with_hello_is_refused(platform: Platform, first: Any) -> None:
    async def requests() -> Any:
        if first is not None:
            yield first

    async with Client(platform.grpc_address) as client:
        with pytest.raises(InvalidRequest, match="hello"):
            async for _ in client.converse(requests()):
                pass


async def test_a_second_hello_is_a_problem_and_the_conversation_goes_on(platform: Platform) -> None:
    async with conversation(platform.grpc_address, Hello(session_id="twice")) as talk:
        talk.hello(Hello(session_id="another"))
        (problem,) = await talk.until(lambda: talk.of("problem"))
        assert problem.error.code == ErrorCode.ERROR_CODE_INVALID_REQUEST and "hello" in problem.error.message
        assert await talk.answered("what is two plus two") == "2 plus 2 is 4."


@pytest.mark.parametrize("text", ["", " \n ", "word " * 1000])
async def test_a_question_that_is_empty_or_too_long_is_a_problem(platform: Platform, text: str) -> None:
    async with conversation(platform.grpc_address, Hello(session_id="text")) as talk:
        talk.text(text)
        (problem,) = await talk.until(lambda: talk.of("problem"))
        assert problem.error.code == ErrorCode.ERROR_CODE_INVALID_REQUEST and "4000 characters" in problem.error.message
        assert not talk.of("accepted")
        assert await talk.answered("what is two plus two") == "2 plus 2 is 4."


@pytest.mark.parametrize(
    ("hello", "told"),
    [
        (Hello(sample_rate_hz=-5), "sample rate"),
        (Hello(sample_rate_hz=10**9), "sample rate"),
        (Hello(channels=1000), "channels"),
        (Hello(time_zone="Mars/Olympus"), "IANA"),
        (Hello(time_zone="../../etc/passwd"), "IANA"),
        (Hello(session_id="x" * 5000), "200 characters"),
        (Hello(device_id="y" * 5000), "200 characters"),
    ],
)
async def test_a_hello_that_makes_no_sense_is_refused(platform: Platform, hello: Hello, told: str) -> None:
    async def requests() -> Any:
        yield ConverseRequest(hello=hello)

    async with Client(platform.grpc_address) as client:
        with pytest.raises(InvalidRequest, match=told):
            async for _ in client.converse(requests()):
                pass


async def test_one_conversation_more_than_the_limit_is_refused_until_one_ends(platform: Platform) -> None:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client(platform.grpc_address))
        open_ = [await _open(client) for _ in range(1000)]
        with pytest.raises(Unavailable, match="1000 conversations"):
            await _open(client)
        await open_.pop().aclose()
        async with asyncio.timeout(10):
            while True:
                try:
                    open_.append(await _open(client))
                    break
                except Unavailable:
                    await asyncio.sleep(0.05)
        for stream in open_:
            await stream.aclose()
    async with conversation(platform.grpc_address) as talk:
        assert await talk.answered("what is two plus two") == "2 plus 2 is 4."


async def _open(client: Client) -> Any:
    """A conversation that is ready and says nothing."""

    async def requests() -> Any:
        yield ConverseRequest(hello=Hello(session_id="crowd", one_turn=True))
        await asyncio.Event().wait()

    stream = client.converse(requests())
    assert (await anext(stream)).WhichOneof("message") == "ready"
    return stream
