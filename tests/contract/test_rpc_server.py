"""What a server refuses: sync methods, taken ports, strangers."""

import socket
from pathlib import Path

import pytest

from parlance.errors import Unavailable
from parlance.rpc import Call, Credentials
from parlance.rpc_grpc import GrpcCarrier
from parlance.rpc_server import GrpcServer
from parlance.v1.llm_service_pb2 import AnswerRequest
from tests.contract.certificates import Authority
from tests.contract.rpc_services import Llm, Speech, ask, texts


def test_a_method_that_is_no_async_generator_is_refused() -> None:
    class Plain:
        async def answer(self, request: AnswerRequest, call: Call) -> None: ...

    with pytest.raises(TypeError, match=r"Plain\.answer \(Llm\.Answer\)"):
        GrpcServer({"Llm": Plain()})


async def test_a_taken_port_is_named_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"port {port} is taken.*PARLANCE_GRPC_PORT"):
            await GrpcServer({}, f"127.0.0.1:{port}").start()


async def test_two_servers_never_share_a_port() -> None:
    first = GrpcServer({}, "127.0.0.1:0")
    await first.start()
    with pytest.raises(Unavailable, match="PARLANCE_GRPC_PORT"):
        await GrpcServer({}, f"127.0.0.1:{first.port}").start()
    await first.stop()


async def test_only_peers_of_our_authority_are_let_in(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs")
    server = GrpcServer({"Llm": Llm(), "Speech": Speech()}, "localhost:0", ours.issue("server"))
    await server.start()
    stranger = theirs.issue("stranger")
    tried: list[Credentials | None] = [
        Credentials(ours.ca, stranger.cert, stranger.key),
        stranger,
        None,
    ]
    for credentials in tried:
        carrier = GrpcCarrier({"Llm": f"localhost:{server.port}"}, credentials)
        with pytest.raises(Unavailable):
            await texts(ask(carrier, 5))
        await carrier.stop()
    carrier = GrpcCarrier({"Llm": f"localhost:{server.port}"}, ours.issue("client"))
    assert await texts(ask(carrier, 5)) == ["one", "two", "three"]
    await carrier.stop()
    await server.stop()
