"""The carrier within one process."""

import asyncio
from contextlib import aclosing

import pytest

from parlance.errors import DeadlineExceeded, Unavailable
from parlance.rpc import Call
from parlance.rpc_direct import DirectCarrier
from parlance.v1.llm_service_pb2 import AnswerRequest, AnswerResponse
from tests.contract.rpc_services import Llm, Messages, answers, ask, current, texts
from tests.contract.rpc_suite import RpcAnswers, RpcEnds
from tests.contract.rpc_suite_errors import RpcErrors, RpcStreams


class TestDirect(RpcAnswers, RpcEnds, RpcErrors, RpcStreams):
    @pytest.fixture
    def carrier(self, services: dict[str, object]) -> DirectCarrier:
        return DirectCarrier(services)

    async def test_a_service_runs_in_the_task_of_its_reader(self, carrier: DirectCarrier, llm: Llm) -> None:
        async def who(request: AnswerRequest, call: Call) -> Messages:
            yield AnswerResponse(text=current().get_name())

        llm.behave = who
        assert await texts(ask(carrier)) == [current().get_name()]

    async def test_the_deadline_and_a_cancel_before_it_both_count(self, carrier: DirectCarrier, llm: Llm) -> None:
        """The service still clears up after the cancel when its deadline passes."""
        clearing = asyncio.Event()

        async def slow(request: AnswerRequest, call: Call) -> Messages:
            try:
                await asyncio.Event().wait()
                yield AnswerResponse()
            finally:
                clearing.set()
                await asyncio.Event().wait()

        llm.behave = slow
        async with asyncio.TaskGroup() as tasks:
            reader = tasks.create_task(texts(ask(carrier, 0.05)))
            await asyncio.sleep(0)
            reader.cancel()
            await clearing.wait()
        assert reader.cancelled()

    async def test_a_service_that_never_awaits_ends_at_its_deadline(self, carrier: DirectCarrier, llm: Llm) -> None:
        async def busy(request: AnswerRequest, call: Call) -> Messages:
            while True:
                yield AnswerResponse(text="more")

        llm.behave = busy
        with pytest.raises(DeadlineExceeded):
            await texts(ask(carrier, 0.02))

    async def test_each_of_several_calls_ends_at_its_own_deadline(self, carrier: DirectCarrier, llm: Llm) -> None:
        """They share a timer, which a call that is over already was the first to need."""
        llm.behave = answers("one")
        await texts(ask(carrier, 0.02))
        llm.behave = answers(hang=True)
        loop, began, ended = asyncio.get_running_loop(), asyncio.get_running_loop().time(), []

        async def read(seconds: float) -> None:
            with pytest.raises(DeadlineExceeded):
                await texts(ask(carrier, seconds))
            ended.append((seconds, loop.time() - began))

        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            for seconds in (0.1, 0.2, 0.05):
                tasks.create_task(read(seconds))
        assert [seconds for seconds, _ in ended] == [0.05, 0.1, 0.2]
        assert all(took >= seconds - 0.002 for seconds, took in ended)

    async def test_a_service_that_goes_down_takes_its_calls_along(self, carrier: DirectCarrier, llm: Llm) -> None:
        llm.behave = answers("one", hang=True)
        async with aclosing(ask(carrier)) as responses:
            await anext(responses)
            asyncio.get_running_loop().call_soon(carrier.set_down, "Llm")
            with pytest.raises(Unavailable, match="Llm"):
                await anext(responses)
        assert llm.ended.is_set()
        with pytest.raises(Unavailable, match="Llm"):
            await texts(ask(carrier))
        carrier.set_down("Llm", False)
        llm.behave = answers("back")
        assert await texts(ask(carrier)) == ["back"]

    async def test_a_service_may_be_put_in_later_and_replaced(self) -> None:
        services: dict[str, object] = {}
        carrier = DirectCarrier(services)
        for text in ("first", "second"):
            services["Llm"] = llm = Llm()
            llm.behave = answers(text)
            assert await texts(ask(carrier)) == [text]

    def test_a_method_that_is_no_async_generator_is_refused(self) -> None:
        class Plain:
            def answer(self, request: AnswerRequest, call: Call) -> Messages:
                return Llm().answer(request, call)

        with pytest.raises(TypeError, match=r"Plain\.answer \(Llm\.Answer\)"):
            DirectCarrier({"Llm": Plain()})
