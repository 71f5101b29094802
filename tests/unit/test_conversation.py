"""A client's conversation goes on where its connection breaks."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress

import pytest

from parlance import conversation
from parlance.errors import Unreachable
from parlance.v1.gateway_service_pb2 import (
    Accepted,
    Audio,
    AudioEnd,
    Clause,
    ConverseRequest,
    ConverseResponse,
    Ended,
    Silence,
    Spoken,
    Text,
)
from parlance.v1.reply_pb2 import Outcome, Reason
from tests.unit.conversation_gateways import Gateways, Seen, Stream, ready, run


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "_AGAIN_S", 0.0)


def _clause(turn: str, seq: int) -> ConverseResponse:
    return ConverseResponse(clause=Clause(turn_id=turn, seq=seq, text=f"Clause {seq}."))


def _audio(turn: str, seq: int, ms: int) -> ConverseResponse:
    return ConverseResponse(audio=Audio(turn_id=turn, seq=seq, pcm=bytes(32 * ms), sample_rate_hz=16000))


async def test_a_text_whose_acceptance_was_not_heard_is_asked_again_under_its_id() -> None:
    first, second = Seen(), Seen()

    async def dies(requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        await first.greet(requests)
        yield ready(0)
        await first.take(requests, 1)
        raise Unreachable("the connection broke")

    async def answers(requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        await second.greet(requests)
        yield ready(1)
        await second.take(requests, 1)
        turn = second.requests[0].text.name
        yield ConverseResponse(accepted=Accepted(turn_id=turn))
        yield _clause(turn, 0)
        yield ConverseResponse(spoken=Spoken(turn_id=turn))

    got = await run(Gateways(dies, answers), ConverseRequest(text=Text(text="what time is it")))
    assert second.requests[0] == first.requests[0] and second.requests[0].text.name
    assert (second.hello.resume.turn_id, second.hello.resume.partition) == (first.requests[0].text.name, 0)
    assert (second.hello.session_id, second.hello.device_id) == ("s", "d")
    assert [r.WhichOneof("message") for r in got] == ["ready", "accepted", "clause", "spoken"]


async def test_a_turn_is_looked_for_where_it_was_asked_first_however_often_the_connection_breaks() -> None:
    seen = [Seen(), Seen(), Seen()]

    def dies(n: int) -> Stream:
        async def play(requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
            await seen[n].greet(requests)
            yield ready(n)
            await seen[n].take(requests, 1)
            raise Unreachable("the connection broke")

        return play

    async def answers(requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        await seen[2].greet(requests)
        yield ready(0)
        await seen[2].take(requests, 1)
        yield ConverseResponse(spoken=Spoken(turn_id=seen[2].hello.resume.turn_id))

    await run(Gateways(dies(0), dies(1), answers), ConverseRequest(text=Text(text="what time is it")))
    assert [each.hello.resume.partition for each in seen[1:]] == [0, 0]
    assert seen[2].requests == seen[0].requests


async def test_nothing_is_asked_of_a_gateway_that_has_not_said_where_its_replies_stand() -> None:
    """It may accept and die, and nobody would know where to look for the reply."""
    asked: list[ConverseRequest] = []

    async def dies(requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        await anext(requests)
        yield ready(0)  # so that it is not given up at once
        raise Unreachable("the connection broke")

    async def dies_unheard(requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        await anext(requests)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                asked.append(await anext(requests))
        raise Unreachable("the connection broke")
        yield ConverseResponse()

    async def answers(requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        await anext(requests)
        yield ready(1)
        yield ConverseResponse(spoken=Spoken(turn_id=(await anext(requests)).text.name))

    await run(Gateways(dies, dies_unheard, answers), ConverseRequest(text=Text(text="what time is it")))
    assert not asked


async def test_a_turn_of_which_nothing_follows_is_not_waited_for() -> None:
    async def silent(requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        await anext(requests)
        yield ready(0)
        turn = (await anext(requests)).text.name
        yield ConverseResponse(silence=Silence(turn_id=turn))

    got = await run(Gateways(silent), ConverseRequest(text=Text(text="what time is it")))
    assert [r.WhichOneof("message") for r in got] == ["ready", "silence"]


@pytest.mark.parametrize("asked", [ConverseRequest(text=Text(text="hello")), ConverseRequest(audio_end=AudioEnd())])
async def test_what_was_refused_at_the_door_is_not_asked_of_the_next_gateway(asked: ConverseRequest) -> None:
    """Its sentence was not said to the end."""

    async def dies(requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        await anext(requests)
        yield ready(0)
        turn = (await anext(requests)).text.name or "one"
        refused = Ended(turn_id=turn, outcome=Outcome.OUTCOME_REFUSED, reason=Reason.REASON_OVERLOADED)
        yield ConverseResponse(ended=refused)
        raise Unreachable("the connection broke")

    got = await run(Gateways(dies), asked)
    assert [r.WhichOneof("message") for r in got] == ["ready", "ended"]


async def test_what_sounds_goes_on_from_where_it_was_heard_and_nothing_is_told_twice() -> None:
    second = Seen()

    async def dies(requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        await anext(requests)
        yield ready(2)
        turn = (await anext(requests)).text.name
        yield ConverseResponse(accepted=Accepted(turn_id=turn, accepted_at_us=20_000_000))
        yield _clause(turn, 0)
        yield _audio(turn, 0, 700)
        yield _clause(turn, 1)
        yield ConverseResponse(ended=Ended(turn_id=turn, outcome=Outcome.OUTCOME_ANSWERED))
        yield _audio(turn, 1, 120)
        raise Unreachable("the connection broke")

    async def answers(requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        await second.greet(requests)
        turn = second.hello.resume.turn_id
        yield ready(1)
        yield _clause(turn, 0)
        yield _clause(turn, 1)
        yield ConverseResponse(ended=Ended(turn_id=turn, outcome=Outcome.OUTCOME_ANSWERED))
        yield _audio(turn, 1, 300)
        yield ConverseResponse(spoken=Spoken(turn_id=turn))

    got = await run(Gateways(dies, answers), ConverseRequest(text=Text(text="tell me")))
    resume = second.hello.resume
    assert (resume.partition, resume.clauses, resume.ms, resume.since_us) == (2, 1, 120, 10_000_000)
    kinds = [r.WhichOneof("message") for r in got]
    assert kinds == ["ready", "accepted", "clause", "audio", "clause", "ended", "audio", "audio", "spoken"]


async def test_where_nothing_ever_ran_it_is_told_at_once() -> None:
    async def absent(requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        raise Unreachable("nothing answers")
        yield ConverseResponse()

    with pytest.raises(Unreachable):
        await run(Gateways(absent), ConverseRequest(text=Text(text="hello")))


async def test_a_gateway_that_stays_away_is_told_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "_PATIENCE_S", 0.0)

    async def dies(requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        yield ready(0)
        await anext(requests)
        await anext(requests)
        raise Unreachable("the connection broke")

    async def absent(requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        raise Unreachable("nothing answers")
        yield ConverseResponse()

    with pytest.raises(Unreachable):
        await run(Gateways(dies, absent, absent), ConverseRequest(text=Text(text="hello")))
