"""What every carrier of calls must do: answers and ends.

A carrier's test module subclasses these and gives the fixture `carrier`."""

import asyncio
import math
from contextlib import aclosing

import pytest

from parlance import rpc
from parlance.errors import DeadlineExceeded, Internal, Refused, Unavailable
from parlance.rpc import Call, Carrier
from parlance.v1.llm_service_pb2 import AnswerRequest, AnswerResponse, CheckLlmRouteRequest, CheckLlmRouteResponse
from parlance.v1.turn_pb2 import Header
from tests.contract.rpc_services import Llm, Messages, RpcFixtures, answers, ask, call, current, passed, settled, texts


class RpcAnswers(RpcFixtures):
    async def test_responses_come_in_order(self, carrier: Carrier, llm: Llm) -> None:
        llm.behave = answers(*map(str, range(200)))
        assert await texts(ask(carrier)) == [str(n) for n in range(200)]

    async def test_a_unary_method_gives_its_one_response(self, carrier: Carrier) -> None:
        response = await rpc.one(carrier.ask("Llm.CheckLlmRoute", CheckLlmRouteRequest(), call()))
        assert isinstance(response, CheckLlmRouteResponse)

    async def test_one_waits_for_the_end_of_the_service(self, carrier: Carrier, llm: Llm) -> None:
        llm.behave = answers("early", then=Refused("after all not"))
        with pytest.raises(Refused, match="after all not"):
            await rpc.one(ask(carrier))

    @pytest.mark.parametrize("given", [(), ("one", "two")])
    async def test_one_takes_neither_none_nor_two(self, carrier: Carrier, llm: Llm, given: tuple[str, ...]) -> None:
        llm.behave = answers(*given)
        with pytest.raises(Internal, match="response of a unary method"):
            await rpc.one(ask(carrier))

    async def test_the_service_sees_who_asks_and_until_when(self, carrier: Carrier, llm: Llm) -> None:
        asked = call(5)
        await rpc.one(carrier.ask("Llm.CheckLlmRoute", CheckLlmRouteRequest(), asked))
        await texts(ask(carrier))
        first, second = llm.calls
        assert (first.id, first.header) == ("call-1", asked.header)
        assert first.header is not asked.header
        assert abs(first.deadline - asked.deadline) < 0.1
        assert 0 < first.remaining() < 5.1
        assert second.deadline == math.inf == second.remaining()

    async def test_nothing_is_shared(self, carrier: Carrier, llm: Llm) -> None:
        kept = AnswerResponse(text="mine")

        async def scribble(request: AnswerRequest, call: Call) -> Messages:
            request.messages[0].text = "scribbled"
            yield kept

        llm.behave = scribble
        request = AnswerRequest()
        request.messages.add(text="yours")
        response = await rpc.one(carrier.ask("Llm.Answer", request, call()))
        response.text = "scribbled"  # type: ignore[attr-defined]
        assert (request.messages[0].text, kept.text) == ("yours", "mine")

    async def test_messages_of_several_megabytes_pass(self, carrier: Carrier, llm: Llm) -> None:
        async def echo(request: AnswerRequest, call: Call) -> Messages:
            yield AnswerResponse(text=request.messages[0].text)

        llm.behave = echo
        text = "x" * (6 * 1024 * 1024)
        assert await texts(ask(carrier, text=text)) == [text]

    async def test_a_service_is_not_pulled_faster_than_it_is_read(self, carrier: Carrier, llm: Llm) -> None:
        llm.behave = answers(*["x" * 65536] * 512)
        async with aclosing(ask(carrier)) as responses:
            await anext(responses)
            assert await settled(carrier, lambda: llm.given) < 16
            assert len([r async for r in responses]) == 511


class RpcEnds(RpcFixtures):
    async def test_the_deadline_ends_a_call_before_its_first_message(self, carrier: Carrier, llm: Llm) -> None:
        llm.behave = answers(hang=True)
        with pytest.raises(DeadlineExceeded, match=r"Llm\.Answer"):
            await texts(ask(carrier, 0.1))
        await llm.ended.wait()

    async def test_the_deadline_ends_a_call_between_two_messages(self, carrier: Carrier, llm: Llm) -> None:
        llm.behave = answers("one", hang=True)
        async with aclosing(ask(carrier, 0.2)) as responses:
            assert (await anext(responses)).text == "one"
            with pytest.raises(DeadlineExceeded):
                await anext(responses)
        await llm.ended.wait()
        assert current().cancelling() == 0

    async def test_the_deadline_leaves_alone_what_else_the_reader_does(self, carrier: Carrier, llm: Llm) -> None:
        llm.behave = answers("one", hang=True)
        async with aclosing(ask(carrier, 0.1)) as responses:
            await anext(responses)
            await passed(asyncio.get_running_loop().time() + 0.1)
            with pytest.raises(DeadlineExceeded):
                await anext(responses)

    async def test_a_call_after_its_deadline_never_reaches_the_service(self, carrier: Carrier, llm: Llm) -> None:
        for seconds in (0, -1):
            with pytest.raises(DeadlineExceeded):
                await texts(ask(carrier, seconds))
        await rpc.one(carrier.ask("Llm.CheckLlmRoute", CheckLlmRouteRequest(), call()))
        assert len(llm.calls) == 1

    @pytest.mark.parametrize("cancel_first", [True, False])
    async def test_a_cancel_in_the_tick_of_the_deadline_is_not_lost(
        self, carrier: Carrier, llm: Llm, cancel_first: bool
    ) -> None:
        llm.behave = answers(hang=True)
        loop = asyncio.get_running_loop()

        async def read(deadline: float) -> None:
            try:
                await texts(carrier.ask("Llm.Answer", AnswerRequest(), Call("", Header(), deadline)))
            except DeadlineExceeded:
                await asyncio.Event().wait()

        for _ in range(20):
            deadline = loop.time() + 0.01
            async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(read(deadline))
                if not cancel_first:
                    await asyncio.sleep(0)  # the call arms its timer first
                loop.call_at(deadline, reader.cancel)
            assert reader.cancelled()

    async def test_a_cancel_that_the_service_swallows_is_not_lost(self, carrier: Carrier, llm: Llm) -> None:
        began = asyncio.Event()

        async def stubborn(request: AnswerRequest, call: Call) -> Messages:
            began.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                yield AnswerResponse(text="no")

        llm.behave = stubborn
        async with asyncio.TaskGroup() as tasks:
            reader = tasks.create_task(texts(ask(carrier)))
            await began.wait()
            reader.cancel()
        assert reader.cancelled()
        await llm.ended.wait()

    async def test_closing_ends_the_service_at_once(self, carrier: Carrier, llm: Llm) -> None:
        llm.behave = answers("one", hang=True)
        async with aclosing(ask(carrier)) as responses:
            await anext(responses)
        async with asyncio.timeout(1):
            await llm.ended.wait()

    async def test_cancelling_the_reader_ends_the_service_at_once(self, carrier: Carrier, llm: Llm) -> None:
        llm.behave = answers("one", hang=True)
        got = asyncio.Event()

        async def read() -> None:
            async with aclosing(ask(carrier)) as responses:
                async for _ in responses:
                    got.set()

        async with asyncio.TaskGroup() as tasks:
            reader = tasks.create_task(read())
            await got.wait()
            reader.cancel()
        async with asyncio.timeout(1):
            await llm.ended.wait()

    async def test_a_carrier_that_stops_tells_its_readers(self, carrier: Carrier, llm: Llm) -> None:
        llm.behave = answers("one", hang=True)
        async with asyncio.TaskGroup() as tasks, aclosing(ask(carrier)) as responses:
            await anext(responses)
            tasks.create_task(carrier.stop())
            with pytest.raises(Unavailable):
                await anext(responses)
        with pytest.raises(Unavailable):
            await texts(ask(carrier))
