"""What every carrier of calls must do: errors, and requests that are a stream."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from parlance import errors
from parlance.errors import DeadlineExceeded, Internal, InvalidRequest, ParlanceError, Refused, Unavailable
from parlance.rpc import Call, Carrier
from parlance.v1.llm_service_pb2 import AnswerRequest, AnswerResponse
from parlance.v1.speech_service_pb2 import HearRequest
from parlance.v1.tts_service_pb2 import SpeakRequest
from tests.contract.rpc_services import Llm, Messages, RpcFixtures, Speech, answers, ask, call, settled, texts, whole

Requests = AsyncGenerator[HearRequest, None]


class RpcErrors(RpcFixtures):
    @pytest.mark.parametrize("error", [e for e in ParlanceError.__subclasses__() if e.__module__ == "parlance.errors"])
    @pytest.mark.parametrize("before", [(), ("one",)])
    async def test_errors_keep_code_and_message(
        self, carrier: Carrier, llm: Llm, error: type[ParlanceError], before: tuple[str, ...]
    ) -> None:
        llm.behave = answers(*before, then=error("Köln has no 日本 route: run `parlance routes`"))
        got = []
        with pytest.raises(ParlanceError) as raised:
            async with aclosing(ask(carrier)) as responses:
                async for response in responses:
                    got.append(response.text)
        assert tuple(got) == before
        assert type(raised.value) is error
        assert raised.value.message == "Köln has no 日本 route: run `parlance routes`"

    async def test_an_unexpected_exception_is_internal_and_tells_nothing(
        self, carrier: Carrier, llm: Llm, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        llm.behave = answers("one", then=ValueError("the secret"))
        with pytest.raises(Internal, match="ValueError") as raised:
            await texts(ask(carrier))
        assert "secret" not in whole(raised.value)
        assert "secret" not in caplog.text
        assert "Llm.Answer failed: ValueError at " in caplog.text
        assert "rpc_services.py:" in caplog.text

    async def test_an_error_out_of_a_task_group_is_itself(self, carrier: Carrier, llm: Llm) -> None:
        llm.behave = answers(then=ExceptionGroup("tasks", [ExceptionGroup("tasks", [Refused("not for children")])]))
        with pytest.raises(Refused, match="not for children"):
            await texts(ask(carrier))

    async def test_a_cancel_inside_the_service_does_not_cancel_the_reader(self, carrier: Carrier, llm: Llm) -> None:
        llm.behave = answers(then=asyncio.CancelledError())
        with pytest.raises(Internal, match="CancelledError"):
            await texts(ask(carrier))

    async def test_an_error_in_clearing_up_reaches_nobody(self, carrier: Carrier, llm: Llm) -> None:
        async def messy(request: AnswerRequest, call: Call) -> Messages:
            try:
                yield AnswerResponse(text="one")
                await asyncio.Event().wait()
            finally:
                raise ValueError("the secret")

        llm.behave = messy
        async with aclosing(ask(carrier)) as responses:
            await anext(responses)
        await llm.ended.wait()

    async def test_a_service_that_is_not_there_is_unavailable(self, carrier: Carrier) -> None:
        with pytest.raises(Unavailable, match="Tts"):
            await texts(carrier.ask("Tts.Speak", SpeakRequest(), call()))

    async def test_a_service_that_asks_another_one_passes_its_deadline_on(self, carrier: Carrier, llm: Llm) -> None:
        inner = answers(hang=True)
        seen: list[ParlanceError] = []

        async def asking(request: AnswerRequest, call: Call) -> Messages:
            llm.behave = inner
            try:
                async with aclosing(carrier.ask("Llm.Answer", request, call)) as responses:
                    async for response in responses:
                        yield response
            except ParlanceError as exc:
                seen.append(exc)
                raise

        llm.behave = asking
        with pytest.raises(DeadlineExceeded):
            await texts(ask(carrier, 0.1))
        assert len(llm.calls) == 2


class RpcStreams(RpcFixtures):
    async def test_requests_and_responses_alternate(self, carrier: Carrier) -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()

        async def requests() -> Requests:
            for size in range(1, 50):
                yield HearRequest(pcm=bytes(size))
                assert await heard.get() == str(size)

        async with aclosing(carrier.ask("Speech.Hear", requests(), call())) as responses:
            async for response in responses:
                heard.put_nowait(response.interim.text)  # type: ignore[attr-defined]
        assert heard.empty()

    async def test_closing_ends_the_service_and_the_requests(self, carrier: Carrier, speech: Speech) -> None:
        closed = asyncio.Event()

        async def requests() -> Requests:
            try:
                yield HearRequest(pcm=b"1")
                await asyncio.Event().wait()
            finally:
                closed.set()

        kept = requests()  # so that no garbage collector closes it
        async with aclosing(carrier.ask("Speech.Hear", kept, call())) as responses:
            await anext(responses)
        async with asyncio.timeout(1):
            await closed.wait()
            await speech.ended.wait()

    async def test_the_deadline_ends_a_service_that_waits_for_requests(self, carrier: Carrier, speech: Speech) -> None:
        async def requests() -> Requests:
            yield HearRequest(pcm=b"1")
            await asyncio.Event().wait()

        async with aclosing(carrier.ask("Speech.Hear", requests(), call(0.2))) as responses:
            await anext(responses)
            with pytest.raises(DeadlineExceeded):
                await anext(responses)
        await speech.ended.wait()

    @pytest.mark.parametrize(
        ("raised", "told"), [(ValueError("the secret"), Internal), (InvalidRequest("no audio"), InvalidRequest)]
    )
    async def test_requests_that_fail_fail_the_call(
        self, carrier: Carrier, speech: Speech, raised: Exception, told: type[ParlanceError]
    ) -> None:
        async def requests() -> Requests:
            yield HearRequest(pcm=b"1")
            raise raised

        with pytest.raises(errors.ParlanceError) as got:
            async with aclosing(carrier.ask("Speech.Hear", requests(), call())) as responses:
                async for _ in responses:
                    pass
        assert type(got.value) is told
        assert "secret" not in whole(got.value)
        await speech.ended.wait()

    async def test_requests_are_not_pulled_faster_than_the_service_reads(
        self, carrier: Carrier, speech: Speech
    ) -> None:
        pulled, closed = 0, False

        async def requests() -> Requests:
            nonlocal pulled, closed
            try:
                for _ in range(512):
                    pulled += 1
                    yield HearRequest(pcm=bytes(65536))
            finally:
                closed = True

        speech.deaf = True
        kept = requests()
        async with aclosing(carrier.ask("Speech.Hear", kept, call())) as responses:
            await anext(responses)
            assert await settled(carrier, lambda: pulled) < 16
        assert closed or pulled == 0  # the direct carrier never began to pull
