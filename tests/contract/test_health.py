"""A container's health check against the server that it asks."""

import asyncio
import shutil
import socket
import sys
from pathlib import Path

import pytest

from parlance import health
from parlance.rpc import Credentials
from parlance.rpc_server import GrpcServer
from services import health as services_health
from tests.contract.certificates import Authority


async def asked(server: GrpcServer, tls: Path | None = None) -> str:
    return await asyncio.to_thread(health.check, f"127.0.0.1:{server.port}", tls)


async def test_a_server_that_serves_is_well_until_it_drains() -> None:
    server = GrpcServer({}, "127.0.0.1:0")
    await server.start()
    assert await asked(server) == ""
    await server.drain()
    assert await asked(server) == "it does not serve"
    await server.stop()
    assert "refused" in await asked(server)


async def test_with_certificates_it_asks_as_the_service_itself(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ours")
    made = authority.issue("llm")
    tls = folder(tmp_path / "tls", made)
    server = GrpcServer({}, "localhost:0", made)
    await server.start()
    assert await asked(server, tls) == ""
    assert await asked(server) != "", "without a certificate nobody is told anything"
    stranger = Authority(tmp_path / "theirs").issue("llm")
    assert await asked(server, folder(tmp_path / "strange", stranger)) != ""
    await server.stop()


def folder(path: Path, made: Credentials) -> Path:
    """The files of PARLANCE_TLS."""
    path.mkdir()
    for source, name in ((made.ca, "ca.crt"), (made.cert, "llm.crt"), (made.key, "llm.key")):
        shutil.copy(source, path / name)
    return path


async def test_a_port_where_something_else_answers_is_not_well() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await asyncio.to_thread(health.check, f"127.0.0.1:{port}") != ""


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "timed out" in health.check(f"127.0.0.1:{silent.getsockname()[1]}")


@pytest.mark.parametrize("address", ["", "50051", "gateway:door"])
def test_what_is_no_address_is_named(address: str) -> None:
    assert "HOST:PORT" in health.check(address)


async def test_it_starts_without_a_single_package() -> None:
    """As a container runs it: isolated, without site-packages."""
    server = GrpcServer({}, "127.0.0.1:0")
    await server.start()
    command = [sys.executable, "-I", "-S", health.__file__, f"127.0.0.1:{server.port}", ""]
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == 0
    await server.stop()


async def test_it_asks_by_the_containers_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    server = GrpcServer({}, "127.0.0.1:0")
    await server.start()
    monkeypatch.setenv("PARLANCE_LISTEN", f"127.0.0.1:{server.port}")
    assert await asyncio.to_thread(services_health.main) == 0
    await server.stop()
    assert await asyncio.to_thread(services_health.main) == 1
    monkeypatch.setenv("PARLANCE_LISTEN", "nonsense")
    assert services_health.main() == 1
