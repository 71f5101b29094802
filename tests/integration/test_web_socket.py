"""The page's door and its socket, over real connections, against a gateway that answers by script."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from parlance.errors import Unavailable
from services.gateway.web import Web
from tests.integration.page_fake import RATE_HZ, Scripted, tone

HELLO = {"hello": {"encoding": "AUDIO_ENCODING_PCM_S16LE", "sampleRateHz": 16000, "channels": 1}}


@dataclass
class Served:
    port: int
    service: Scripted
    task: "asyncio.Task[None]"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def open(self) -> connect:
        return connect(f"ws://{self.host}/ws", origin=f"http://{self.host}")  # type: ignore[arg-type]


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    service, ready = Scripted(), asyncio.Event()
    task = asyncio.create_task(Web(service, port).run(ready))
    await ready.wait()
    yield Served(port, service, task)
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert task.cancelled()


async def got(connection: ClientConnection, kind: str) -> Any:
    """The next text message of this kind."""
    async with asyncio.timeout(10):
        while True:
            frame = await connection.recv()
            if isinstance(frame, str) and kind in (message := json.loads(frame)):
                return message[kind]


async def status(served: Served, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """The status and everything after it of a GET with exactly these headers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    lines = [f"GET {path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "Connection: close", "", ""]
    if path == "/ws":
        lines[-3:-2] = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
        lines.insert(-2, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")
    writer.write("\r\n".join(lines).encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    rest = "" if " 101 " in head else (await reader.read()).decode()
    writer.close()
    return int(head.split()[1]), head + rest


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_the_page_is_served_under_the_names_of_this_machine(served: Served, host: str) -> None:
    code, text = await status(served, "/", {"Host": f"{host}:{served.port}"})
    assert code == 200 and "<title>Parlance</title>" in text
    assert "content-security-policy: default-src 'self'" in text.lower()


async def test_another_host_name_is_refused_with_a_word_on_what_to_do(served: Served) -> None:
    for host in ("evil.example", f"evil.example:{served.port}", "127.0.0.1", f"127.0.0.1:{served.port + 1}"):
        for path in ("/", "/ws"):
            code, text = await status(served, path, {"Host": host, "Origin": f"http://{served.host}"})
            assert code == 403 and served.host in text, (host, path)


async def test_a_page_of_another_origin_gets_neither_page_nor_socket(served: Served) -> None:
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{served.port + 1}", f"https://{served.host}"):
        for path in ("/", "/ws"):
            code, _ = await status(served, path, {"Host": served.host, "Origin": origin})
            assert code == 403, (origin, path)


async def test_a_socket_needs_an_origin(served: Served) -> None:
    assert (await status(served, "/ws", {"Host": served.host}))[0] == 403
    assert (await status(served, "/ws", {"Host": served.host, "Origin": f"http://localhost:{served.port}"}))[0] == 101


async def test_nothing_outside_the_static_files_is_served(served: Served) -> None:
    for path in ("/../web.py", "/%2e%2e/web.py", "/..%2fweb.py", "/nothing.js"):
        assert (await status(served, path, {"Host": served.host}))[0] == 404, path


async def test_a_typed_question_comes_back_as_words_and_sound(served: Served) -> None:
    async with served.open() as connection:
        await connection.send(json.dumps(HELLO))
        assert (await got(connection, "ready"))["deviceId"] == "device"
        await connection.send(json.dumps({"text": {"text": "hello there"}}))
        turn_id = (await got(connection, "accepted"))["turnId"]
        assert "clause number 0" in (await got(connection, "clause"))["text"]
        frame = await connection.recv()
        assert isinstance(frame, bytes)
        length = int.from_bytes(frame[:4], "little")
        assert json.loads(frame[4 : 4 + length]) == {"turnId": turn_id, "seq": 0, "sampleRateHz": RATE_HZ}
        assert frame[4 + length :] == tone(200)
        assert (await got(connection, "ended"))["outcome"] == "OUTCOME_ANSWERED"
        assert (await got(connection, "spoken"))["turnId"] == turn_id
    assert served.service.seen[0].text.text == "hello there"


async def test_sound_goes_in_as_binary_frames(served: Served) -> None:
    async with served.open() as connection:
        await connection.send(json.dumps(HELLO))
        for _ in range(25):
            await connection.send(tone(20)[:640])
        assert (await got(connection, "accepted"))["modality"] == "MODALITY_SPOKEN"
        assert (await got(connection, "interim"))["text"] == "what"
        assert (await got(connection, "transcript"))["text"] == "What is it?"
    assert [len(r.audio) for r in served.service.seen] == [640] * 25


async def test_questions_about_turns_are_answered_beside_the_conversation(served: Served) -> None:
    async with served.open() as connection:
        await connection.send(json.dumps(HELLO))
        await connection.send(json.dumps({"text": {"text": "hello"}}))
        turn_id = (await got(connection, "accepted"))["turnId"]
        await connection.send(json.dumps({"listTurns": {"limit": 5}}))
        assert [t["turnId"] for t in await got(connection, "turns")] == [turn_id]
        await connection.send(json.dumps({"getTurn": {"turnId": turn_id}}))
        assert (await got(connection, "turn"))["steps"][0]["name"] == "gateway"
        await connection.send(json.dumps({"getTurn": {"turnId": "nothing"}}))
        problem = await got(connection, "problem")
        assert problem["asked"] == "getTurn" and problem["error"]["code"] == "ERROR_CODE_INVALID_REQUEST"


BAD = [
    "", "no json", "[]", "7", "null", '"text"', "{}", '{"nothing": 1}', '{"text": 5}', '{"text": {"txt": ""}}',
    '{"text": {"text": "a"}, "interrupt": {}}', '{"audio": 5}', '{"getTurn": []}', '{"listTurns": {"limit": "x"}}',
    '{"text": {"text": "\\ud800"}}', '{"played": {"ms": 1e99}}', "[" * 100_000, '"listTurns"', b"odd",
]  # fmt: skip


@pytest.mark.parametrize("frame", BAD, ids=lambda frame: repr(frame[:30]))
async def test_a_frame_that_makes_no_sense_is_told_and_harms_nothing(served: Served, frame: str | bytes) -> None:
    async with served.open() as connection:
        await connection.send(json.dumps(HELLO))
        await connection.send(frame)
        problem = await got(connection, "problem")
        assert problem["error"]["code"] == "ERROR_CODE_INVALID_REQUEST" and problem["error"]["message"]
        await connection.send(json.dumps({"text": {"text": "still there?"}}))
        assert (await got(connection, "accepted"))["turnId"]


async def test_a_conversation_without_hello_is_told_so_and_ends(served: Served) -> None:
    async with served.open() as connection:
        await connection.send(json.dumps({"text": {"text": "hello"}}))
        assert "hello" in (await got(connection, "problem"))["error"]["message"]
        async with asyncio.timeout(5):
            await connection.wait_closed()
        assert connection.close_code == 1012


async def test_a_client_that_goes_away_ends_its_conversation(served: Served) -> None:
    async with served.open() as connection:
        await connection.send(json.dumps(HELLO))
        await connection.send(json.dumps({"text": {"text": "a long one"}}))
        await got(connection, "clause")
        assert served.service.open == 1
        connection.transport.abort()
    await served.service.until(lambda: served.service.open == 0)


async def test_stopping_closes_open_sockets_soon(served: Served) -> None:
    async with served.open() as connection:
        await connection.send(json.dumps(HELLO))
        await got(connection, "ready")
        served.task.cancel()
        async with asyncio.timeout(2):
            await asyncio.wait([served.task])
            await connection.wait_closed()
        assert served.service.open == 0


async def test_a_port_that_is_taken_is_named_together_with_its_setting(served: Served) -> None:
    with pytest.raises(Unavailable, match=rf"{served.port}.*PARLANCE_HTTP_PORT"):
        await Web(Scripted(), served.port).run(asyncio.Event())
