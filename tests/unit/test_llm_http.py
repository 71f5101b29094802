"""The client that vendors share: what it counts is what went over the wire, and what it says of failures."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

pytest.importorskip("httpx2", reason="the extra `llm` is not installed")

import httpx2

from parlance import errors
from services.llm.meter import METER, Meter
from services.llm.providers import http
from tests.contract.certificates import Authority
from tests.ports import free_port

_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n"


class _Peer:
    """Answers each request with `reply` and closes; counts the bytes of the bodies that reach it."""

    def __init__(self, reply: bytes) -> None:
        self.reply, self.bodies, self.heads = reply, 0, [b""]
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
        self.bodies += len(await reader.readexactly(length))
        writer.write(self.reply)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def peer(reply: bytes) -> AsyncGenerator[_Peer, None]:
    made = _Peer(reply)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server:
        yield made


@pytest.fixture
def meter() -> Meter:
    made = Meter()
    METER.set(made)
    return made


async def test_bodies_are_counted_as_they_cross_the_wire(meter: Meter) -> None:
    async with peer(_CHUNKED + b"0\r\n\r\n") as server, http.client() as client:
        response = await client.post(server.url, content=b"x" * 200_000)
        assert response.text == "hello world"
    assert (meter.sent, meter.received, meter.requests, meter.whole) == (server.bodies, 11, 1, True)
    assert b"accept-encoding: identity" in server.heads[-1].lower()


async def test_what_a_server_packs_all_the_same_is_counted_packed(meter: Meter) -> None:
    packed = gzip.compress(b"hello " * 1000)
    head = _OK + f"Content-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    async with peer(head + packed) as server, http.client() as client:
        response = await client.get(server.url, headers={"Accept-Encoding": "gzip"})
    assert len(response.content) == 6000 and meter.received == len(packed) and meter.sent == 0


async def test_what_is_cut_counts_what_came_and_is_not_whole(meter: Meter) -> None:
    async with peer(_CHUNKED) as server, http.client() as client:
        with pytest.raises(errors.Unavailable, match="broke off"), http.translated(lambda exc: None):
            await client.post(server.url, content=b"question")
    assert (meter.sent, meter.received, meter.whole) == (8, 11, False)


async def test_what_reaches_nobody_has_sent_nothing(meter: Meter) -> None:
    async with http.client() as client:
        with pytest.raises(errors.Unreachable, match="running"), http.translated(lambda exc: None):
            await client.post(f"http://127.0.0.1:{free_port()}/", content=b"question")
    assert (meter.sent, meter.received, meter.requests, meter.whole) == (0, 0, 0, False)


async def test_each_task_has_a_meter_of_its_own_and_the_one_of_the_request_counts_its_response() -> None:
    async def ask(url: str, n: int) -> Meter:
        METER.set(made := Meter())
        async with client.stream("POST", url, content=b"x" * n) as response:
            METER.set(Meter())
            await response.aread()
        return made

    async with peer(_CHUNKED + b"0\r\n\r\n") as server, http.client() as client:
        meters = await asyncio.gather(*(ask(server.url, n) for n in range(1, 20)))
    assert [m.sent for m in meters] == list(range(1, 20)) and {m.received for m in meters} == {11}


async def test_without_a_meter_it_answers_all_the_same() -> None:
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, content=request.content))
    async with http.client(transport) as client:
        assert (await client.post("http://a/", content=b"back")).content == b"back"


async def test_a_question_is_not_sent_on_to_another_address(meter: Meter) -> None:
    asked = []

    def elsewhere(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.host)
        return httpx2.Response(307, headers={"Location": "http://elsewhere/"})

    async with http.client(httpx2.MockTransport(elsewhere)) as client:
        response = await client.post("http://here/", content=b"question")
    assert response.status_code == 307 and asked == ["here"]
    assert "another address" in http.failed(307).message


async def test_one_s_own_certificates_are_trusted_where_a_setting_names_them(tmp_path: Path) -> None:
    own = Authority(tmp_path / "ca").issue("model")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own.cert, own.key)
    served = _Peer(_OK + b"Content-Length: 2\r\n\r\nok")
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0, ssl=context)
    url = f"https://localhost:{server.sockets[0].getsockname()[1]}/"
    async with server, http.client() as strict, http.client(ca_file=str(own.ca)) as trusting:
        assert (await trusting.get(url)).text == "ok"
        with pytest.raises(errors.Mistrusted, match="ca_file"), http.translated(lambda exc: None):
            await strict.get(url)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"colour": "red"}, "colour"),
        ({"ca_file": "/nowhere/ca.pem"}, "ca_file"),
        ({"ca_file": "/"}, "ca_file"),
        ({"proxy": "nonsense://x"}, "proxy"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(settings: dict[str, str], said: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=said):
        http.client(**settings)


@pytest.mark.parametrize("key", ["sk-canary\n", "sk canary", "sk-canary\u00e9"])
def test_a_key_that_is_none_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(errors.InvalidRequest) as refusal:
        http.checked_key(key)
    assert "canary" not in refusal.value.message
    assert http.checked_key("") == "" and http.checked_key("sk-1") == "sk-1"


def test_an_address_is_told_without_the_password_in_it() -> None:
    assert http.host_of("https://me:secret@host:8443/v1") == "host:8443"
    for address in ("host:8000", "http://", "ftp://host"):
        with pytest.raises(errors.InvalidRequest, match="base_url"):
            http.host_of(address)


@pytest.mark.parametrize(
    ("status", "told", "kind"),
    [
        (400, [], errors.InvalidRequest),
        (401, [], errors.Unauthenticated),
        (402, [], errors.QuotaExhausted),
        (403, [], errors.PermissionDenied),
        (404, ["?"], errors.InvalidRequest),
        (408, [], errors.Unavailable),
        (418, [], errors.InvalidRequest),
        (429, [None, "busy"], errors.RateLimited),
        (429, ["busy", "spent"], errors.QuotaExhausted),
        (200, ["spent"], errors.QuotaExhausted),
        (200, [], errors.Unavailable),
        (500, [], errors.Unavailable),
        (529, [], errors.Unavailable),
    ],
)
def test_codes_tell_more_than_the_status(status: int, told: list[object], kind: type[errors.ParlanceError]) -> None:
    codes: dict[str, http.Kind] = {"spent": (errors.QuotaExhausted, "spent")}
    assert type(http.failed(status, told, codes)) is kind


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (ValueError("private words"), errors.Unavailable),
        (KeyError("private words"), errors.Unavailable),
        (httpx2.ReadTimeout("private words"), errors.Unavailable),
        (httpx2.PoolTimeout("private words"), errors.Unavailable),
        (httpx2.ProxyError("private words"), errors.Unreachable),
        (httpx2.UnsupportedProtocol("private words"), errors.InvalidRequest),
    ],
)
def test_what_a_connection_raises_is_ours_and_keeps_no_words(raised: Exception, kind: type[Exception]) -> None:
    with pytest.raises(errors.ParlanceError) as caught, http.translated(lambda exc: None):
        raise raised
    assert type(caught.value) is kind and "private" not in caught.value.message
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_a_defect_of_ours_is_not_taken_for_the_vendors() -> None:
    with pytest.raises(ZeroDivisionError), http.translated(lambda exc: None):
        _ = 1 / 0
