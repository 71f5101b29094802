"""What was spoken is said again where its gateway dies before it was understood."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from parlance.errors import Unreachable
from parlance.v1.gateway_service_pb2 import (
    Accepted,
    AudioEnd,
    ConverseRequest,
    ConverseResponse,
    Listening,
    Spoken,
    Transcript,
)
from parlance.v1.turn_pb2 import MODALITY_SPOKEN
from tests.unit.conversation_gateways import Gateways, Seen, ready, run

HELD = {"listening": Listening.LISTENING_UNTIL_END}


async def test_a_recording_that_has_not_become_words_is_said_again_whole() -> None:
    second = Seen()
    recording = [
        ConverseRequest(audio=b"1" * 9),
        ConverseRequest(audio=b"2" * 9),
        ConverseRequest(audio_end=AudioEnd()),
    ]

    async def dies(requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        yield ready(0)
        for _ in range(4):
            await anext(requests)
        yield ConverseResponse(accepted=Accepted(turn_id="one", modality=MODALITY_SPOKEN))
        raise Unreachable("the connection broke")

    async def answers(requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        await second.greet(requests)
        yield ready(1)
        await second.take(requests, 3)
        yield ConverseResponse(accepted=Accepted(turn_id="two", modality=MODALITY_SPOKEN))
        yield ConverseResponse(spoken=Spoken(turn_id="two"))

    await run(Gateways(dies, answers), *recording, **HELD)
    assert second.requests == recording and not second.hello.HasField("resume")


@pytest.mark.parametrize("early", [False, True])
async def test_a_recording_that_was_understood_is_not_said_again(early: bool) -> None:
    """Also by a gateway that told of its words before it could tell that the turn was accepted."""
    second = Seen()
    told = [
        ConverseResponse(accepted=Accepted(turn_id="one", modality=MODALITY_SPOKEN)),
        ConverseResponse(transcript=Transcript(turn_id="one", text="hello")),
    ]

    async def dies(requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        await anext(requests)
        yield ready(0)
        for _ in range(2):
            await anext(requests)
        for response in reversed(told) if early else told:
            yield response
        raise Unreachable("the connection broke")

    async def answers(requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        await second.greet(requests)
        yield ready(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(requests)
        yield ConverseResponse(spoken=Spoken(turn_id="one"))

    await run(Gateways(dies, answers), ConverseRequest(audio=b"1" * 9), ConverseRequest(audio_end=AudioEnd()), **HELD)
    assert second.hello.resume.turn_id == "one"


async def test_the_late_acceptance_of_what_was_interrupted_does_not_take_the_place_of_what_came_after_it() -> None:
    second = Seen()
    older = Accepted(turn_id="older", modality=MODALITY_SPOKEN, accepted_at_us=1_000_000)
    newer = Accepted(turn_id="newer", modality=MODALITY_SPOKEN, accepted_at_us=2_000_000)

    async def dies(requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        await anext(requests)
        yield ready(0)
        await anext(requests)
        for accepted in (newer, older):
            yield ConverseResponse(accepted=accepted)
        yield ConverseResponse(transcript=Transcript(turn_id="newer", text="hello"))
        raise Unreachable("the connection broke")

    async def answers(requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        await second.greet(requests)
        yield ready(1)
        yield ConverseResponse(spoken=Spoken(turn_id="newer"))

    await run(Gateways(dies, answers), ConverseRequest(audio=b"1" * 9), **HELD)
    assert second.hello.resume.turn_id == "newer"
