"""Every name against every gRPC method of a server with certificates, and certificates that do not fit."""

from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc

from infra.local.certificates import Authority, make
from parlance import access, tls
from parlance.errors import Mistrusted, PermissionDenied, Unreachable
from parlance.rpc import Call, Credentials, descriptor, snake
from parlance.rpc_grpc import GrpcCarrier, _channel_credentials
from parlance.rpc_server import GrpcServer
from parlance.v1.turn_pb2 import Header
from tests.ports import free_port


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("certificates")
    make(Authority(made), hosts={})
    return made


def served(name: str, asked: list[str]) -> object:
    """A service whose every method notes that it was reached, and answers nothing in particular."""

    def method(described: Any) -> Any:
        async def answer(self: object, request: Any, call: Call) -> AsyncGenerator[Any, None]:
            asked.append(f"{name}.{described.name}")
            yield GetMessageClass(described.output_type)()

        return answer

    methods = {snake(m.name): method(m) for m in descriptor(name).methods}
    return type(name, (), methods)()


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
async def server(folder: Path, asked: list[str]) -> AsyncIterator[GrpcServer]:
    services = {name: served(name, asked) for name in access.SERVICES}
    made = GrpcServer(services, "127.0.0.1:0", tls.credentials(folder, "gateway"), access=access.load())
    await made.start()
    yield made
    await made.stop()


async def call(carrier: GrpcCarrier, method: str) -> None:
    service, _, name = method.partition(".")
    described = descriptor(service).methods_by_name[name]
    request = GetMessageClass(described.input_type)()

    async def requests() -> AsyncIterator[Any]:
        yield request

    given: Any = requests() if described.client_streaming else request
    assert [m async for m in carrier.ask(method, given, Call("", Header()))] != []


def carrier(server: GrpcServer, shown: Credentials | None) -> GrpcCarrier:
    return GrpcCarrier(dict.fromkeys(access.SERVICES, f"127.0.0.1:{server.port}"), shown)


async def test_a_server_lets_everybody_call_what_the_manifest_says_and_nothing_else(
    server: GrpcServer, folder: Path, asked: list[str]
) -> None:
    manifest = access.load()
    cells, wrong = 0, []
    for name in [*manifest.entries, "postgres"]:
        entry, line = manifest.entries.get(name, access.Entry()), carrier(server, tls.credentials(folder, name))
        for method in sorted(access.methods()):
            cells += 1
            asked.clear()
            try:
                await call(line, method)
                let_in = True
            except PermissionDenied as exc:
                assert f"'{name}'" in exc.message and f"may not call {method}" in exc.message
                let_in = False
            if let_in != (method in entry.calls) or asked != [method] * let_in:
                wrong.append((name, method, let_in))
        await line.stop()
    assert wrong == []
    assert cells == (9 + 3 + 1) * 28, "nine services, three clients, a stranger; twenty-eight methods"


async def test_health_is_open_to_whoever_has_a_certificate(server: GrpcServer, folder: Path) -> None:
    shown = _channel_credentials(tls.credentials(folder, "postgres"))
    async with grpc.aio.secure_channel(f"127.0.0.1:{server.port}", shown) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_certificates_that_do_not_fit_are_named_with_their_file(
    server: GrpcServer, folder: Path, tmp_path: Path
) -> None:
    Authority(tmp_path / "other").issue("dialogue")
    Authority(folder).issue("old", days=-1)
    theirs, ours = tls.credentials(tmp_path / "other", "dialogue"), tls.credentials(folder, "dialogue")
    tried: dict[Credentials | None, str] = {
        theirs: rf"certificate that {theirs.ca} \(PARLANCE_TLS\) does not vouch for",
        Credentials(ours.ca, theirs.cert, theirs.key): rf"hangs up: {theirs.cert} \(PARLANCE_TLS\) must be",
        Credentials(ours.ca, folder / "old.crt", folder / "old.key"): r"hangs up: .*old\.crt \(PARLANCE_TLS\) must be",
        None: r"hangs up: where its service has certificates, set PARLANCE_TLS",
    }
    for shown, told in tried.items():
        line = carrier(server, shown)
        with pytest.raises(Mistrusted, match=told):
            await call(line, "Llm.Answer")
        await line.stop()


async def test_a_server_without_certificates_and_none_at_all_are_told_apart(folder: Path) -> None:
    plain = GrpcServer({"Llm": served("Llm", [])}, "127.0.0.1:0")
    await plain.start()
    line = carrier(plain, tls.credentials(folder, "dialogue"))
    with pytest.raises(Mistrusted, match="does not speak TLS with us: has its service PARLANCE_TLS too"):
        await call(line, "Llm.Answer")
    await line.stop()
    await plain.stop()
    line = GrpcCarrier({"Llm": f"127.0.0.1:{free_port()}"}, tls.credentials(folder, "dialogue"))
    with pytest.raises(Unreachable, match="does the service run there") as raised:
        await call(line, "Llm.Answer")
    assert not isinstance(raised.value, Mistrusted)
    await line.stop()
