"""The carrier between processes, and its server."""

import asyncio
import math
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from parlance import rpc
from parlance.errors import InvalidRequest, Unavailable, Unreachable
from parlance.rpc import Call
from parlance.rpc_grpc import HEADER, GrpcCarrier
from parlance.rpc_server import GrpcServer
from parlance.rpc_status import ERROR
from parlance.v1.llm_service_pb2 import AnswerRequest, AnswerResponse, CheckLlmRouteRequest, CheckLlmRouteResponse
from parlance.v1.llm_service_pb2_grpc import LlmStub
from parlance.v1.tts_service_pb2 import SpeakRequest
from parlance.v1.turn_pb2 import Header
from tests.contract.rpc_peer import peer
from tests.contract.rpc_services import Llm, Messages, answers, ask, call, settled, texts
from tests.contract.rpc_suite import RpcAnswers, RpcEnds
from tests.contract.rpc_suite_errors import RpcErrors, RpcStreams

CHECK = "Llm.CheckLlmRoute"


class TestGrpc(RpcAnswers, RpcEnds, RpcErrors, RpcStreams):
    @pytest.fixture
    async def server(self, services: dict[str, object]) -> AsyncIterator[GrpcServer]:
        server = GrpcServer(services, "127.0.0.1:0")
        await server.start()
        yield server
        await server.stop()

    @pytest.fixture
    async def carrier(self, server: GrpcServer) -> AsyncIterator[GrpcCarrier]:
        address = f"127.0.0.1:{server.port}"
        carrier = GrpcCarrier({"Llm": address, "Speech": address})
        yield carrier
        await carrier.stop()

    @pytest.fixture
    async def channel(self, server: GrpcServer) -> AsyncIterator[grpc.aio.Channel]:
        """A stranger's client."""
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield channel

    async def test_a_strangers_client_is_nobody(self, channel: grpc.aio.Channel, llm: Llm) -> None:
        stub: Any = LlmStub(channel)  # type: ignore[no-untyped-call]
        await stub.CheckLlmRoute(CheckLlmRouteRequest())
        assert [r.text async for r in stub.Answer(AnswerRequest())] == ["one", "two", "three"]
        assert [(c.id, c.header) for c in llm.calls] == [("", Header())] * 2

    async def test_a_strangers_client_sees_a_status_and_the_message(self, channel: grpc.aio.Channel, llm: Llm) -> None:
        llm.behave = answers(then=InvalidRequest("say something"))
        stub: Any = LlmStub(channel)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.Answer(AnswerRequest()).read()
        assert (raised.value.code(), raised.value.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "say something")
        assert ERROR in (raised.value.trailing_metadata() or {})

    async def test_what_cannot_be_parsed_is_refused(self, channel: grpc.aio.Channel, llm: Llm) -> None:
        plain: Any = channel.unary_unary("/parlance.v1.Llm/CheckLlmRoute")
        for request, header in ((b"\xff", b""), (b"", b"\xff")):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await plain(request, metadata=((HEADER, header),))
            assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert not llm.calls

    async def test_a_message_over_16_mib_is_refused(self, carrier: GrpcCarrier, llm: Llm) -> None:
        with pytest.raises(InvalidRequest, match="16 MiB"):
            await texts(ask(carrier, text="x" * (17 * 1024 * 1024)))
        llm.behave = answers("x" * (17 * 1024 * 1024))
        with pytest.raises(InvalidRequest, match="16 MiB"):
            await texts(ask(carrier))

    async def test_a_long_error_arrives_cut(self, carrier: GrpcCarrier, llm: Llm) -> None:
        llm.behave = answers(then=InvalidRequest("日" * 50_000))
        with pytest.raises(InvalidRequest, match="日日日"):
            await texts(ask(carrier))

    async def test_a_client_that_vanishes_ends_the_service(self, server: GrpcServer, llm: Llm) -> None:
        llm.behave = answers("one", hang=True)
        async with peer("ask", server.port, until=b"one"):
            assert not llm.ended.is_set()
        async with asyncio.timeout(1):
            await llm.ended.wait()

    async def test_a_client_that_freezes_ends_the_service(self, server: GrpcServer, llm: Llm) -> None:
        llm.behave = answers("one", hang=True)
        async with peer("ask", server.port, until=b"one") as process:
            process.send_signal(signal.SIGSTOP)
            async with asyncio.timeout(2.5):
                await llm.ended.wait()

    async def test_a_server_that_freezes_is_noticed_within_a_second_and_a_half(
        self, unused_tcp_port_factory: Callable[[], int]
    ) -> None:
        """Three tries, since a busy machine may be late itself."""
        took: list[float] = []
        while len(took) < 3 and min(took, default=math.inf) > 1.5:
            took.append(await seconds_until_noticed(unused_tcp_port_factory()))
        assert min(took) <= 1.5

    async def test_a_server_that_dies_is_noticed_and_found_again(self, unused_tcp_port: int) -> None:
        carrier = GrpcCarrier({"Llm": f"127.0.0.1:{unused_tcp_port}"})
        async with peer("serve", unused_tcp_port, until=b"ready") as process, aclosing(ask(carrier)) as responses:
            await anext(responses)
            process.kill()
            with pytest.raises(Unavailable, match=str(unused_tcp_port)):
                await anext(responses)
            await process.wait()
        with pytest.raises(Unavailable, match="does the service run there"):
            await texts(ask(carrier))
        async with peer("serve", unused_tcp_port, until=b"ready"), asyncio.timeout(5):
            while True:
                try:
                    await rpc.one(carrier.ask(CHECK, CheckLlmRouteRequest(), call()))
                    break
                except Unavailable:
                    await asyncio.sleep(0.02)  # until it is there
        await carrier.stop()

    async def test_a_single_response_whose_service_dies_before_it_has_ended_is_asked_for_again(self) -> None:
        class Dies(Llm):
            async def check_llm_route(self, request: CheckLlmRouteRequest, call: Call) -> Messages:
                self.calls.append(call)
                yield CheckLlmRouteResponse()
                if len(self.calls) == 1:
                    raise Unreachable("it dies")

        llm = Dies()
        server = GrpcServer({"Llm": llm}, "127.0.0.1:0")
        await server.start()
        carrier = GrpcCarrier({"Llm": f"127.0.0.1:{server.port}"}, patience_s=5.0)
        assert await rpc.one(carrier.ask(CHECK, CheckLlmRouteRequest(), call())) == CheckLlmRouteResponse()
        assert len(llm.calls) == 2
        await carrier.stop()
        await server.stop()

    async def test_each_replica_is_told_its_place_in_the_sessions_order(self) -> None:
        class Away(Llm):
            async def check_llm_route(self, request: CheckLlmRouteRequest, call: Call) -> Messages:
                seen.append(call.rank)
                if len(seen) == 1:
                    raise Unreachable("it dies")
                yield CheckLlmRouteResponse()

        seen: list[int] = []
        servers = [GrpcServer({"Llm": Away()}, "127.0.0.1:0") for _ in range(2)]
        await asyncio.gather(*(server.start() for server in servers))
        carrier = GrpcCarrier({"Llm": ",".join(f"127.0.0.1:{server.port}" for server in servers)})
        for _ in range(2):
            await rpc.one(carrier.ask(CHECK, CheckLlmRouteRequest(), call()))
        assert seen == [0, 1, 1]
        await asyncio.gather(carrier.stop(), *(server.stop() for server in servers))

    async def test_an_unknown_service_at_a_known_address_is_unavailable(self, server: GrpcServer) -> None:
        carrier = GrpcCarrier({"Tts": f"127.0.0.1:{server.port}"})
        with pytest.raises(Unavailable, match=r"Tts\.Speak"):
            await texts(carrier.ask("Tts.Speak", SpeakRequest(), call()))
        await carrier.stop()

    async def test_draining_begins_nothing_and_ends_nothing(
        self, server: GrpcServer, carrier: GrpcCarrier, channel: grpc.aio.Channel, llm: Llm
    ) -> None:
        go_on = asyncio.Event()

        async def slow(request: AnswerRequest, call: Call) -> Messages:
            async for message in answers("one")(request, call):
                yield message
            await go_on.wait()
            async for message in answers("two")(request, call):
                yield message

        llm.behave = slow
        health: Any = health_pb2_grpc.HealthStub(channel)
        asked = health_pb2.HealthCheckRequest(service="parlance.v1.Llm")
        assert (await health.Check(asked)).status == health_pb2.HealthCheckResponse.SERVING
        async with aclosing(ask(carrier)) as responses:
            await anext(responses)
            await server.drain()
            assert (await health.Check(asked)).status == health_pb2.HealthCheckResponse.NOT_SERVING
            with pytest.raises(Unavailable, match="stops"):
                await texts(ask(carrier))
            go_on.set()
            assert [r.text async for r in responses] == ["two"]

    async def test_stopping_cuts_what_is_not_done_in_time(
        self, server: GrpcServer, carrier: GrpcCarrier, llm: Llm
    ) -> None:
        llm.behave = answers("one", hang=True)
        async with asyncio.TaskGroup() as tasks, aclosing(ask(carrier)) as responses:
            await anext(responses)
            stopping = tasks.create_task(server.stop(0.1))
            with pytest.raises(Unavailable):
                await anext(responses)
            await stopping
            assert llm.ended.is_set()

    async def test_stopping_waits_until_services_have_cleared_up(
        self, server: GrpcServer, carrier: GrpcCarrier, llm: Llm
    ) -> None:
        cleared = False

        async def tidy(request: AnswerRequest, call: Call) -> Messages:
            nonlocal cleared
            try:
                while True:  # until nothing more can be written, which is where the stop finds it
                    yield AnswerResponse(text="x" * 65536)
            finally:
                for _ in range(5000):
                    await asyncio.sleep(0)
                cleared = True

        llm.behave = tidy
        async with aclosing(ask(carrier)) as responses:
            await anext(responses)
            await settled(carrier, lambda: llm.given)
            await server.stop()
            assert cleared

    async def test_reflection_names_the_services(self, channel: grpc.aio.Channel) -> None:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        response = await stub.ServerReflectionInfo(iter([request])).read()
        assert {"parlance.v1.Llm", "parlance.v1.Speech"} <= {s.name for s in response.list_services_response.service}


async def seconds_until_noticed(port: int) -> float:
    """A server freezes just after a message, which is the slowest case."""
    loop = asyncio.get_running_loop()
    carrier = GrpcCarrier({"Llm": f"127.0.0.1:{port}"})
    async with peer("serve", port, until=b"ready") as process, aclosing(ask(carrier)) as responses:
        await anext(responses)
        process.send_signal(signal.SIGSTOP)
        began = loop.time()
        with pytest.raises(Unavailable):
            await anext(responses)
        took = loop.time() - began
    await carrier.stop()
    return took
