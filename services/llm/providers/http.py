"""What all vendors over HTTP share: a client that counts the bytes of bodies, and what its failures are called."""

import ssl
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx2

from parlance.errors import (
    InvalidRequest,
    Mistrusted,
    ParlanceError,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    Unauthenticated,
    Unavailable,
    Unreachable,
)
from services.llm.meter import METER, Meter

# An error's class, and what is said of it: never in the vendor's words, which may repeat what was asked.
Kind = tuple[type[ParlanceError], str]

# Between tokens the deadlines are the service's own; a timer at each read would cost a twelfth of an answer's CPU.
_TIMEOUT = httpx2.Timeout(None, connect=10, write=60, pool=10)
_LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=30)
# A stranger outside counts the same bytes only where nothing is packed. Of the client too, for some sign their headers.
_PLAIN = {"Accept-Encoding": "identity"}
# The body of a request that breaks off is known to so many bytes.
_SLICE = 65_536

_BY_STATUS: dict[int, Kind] = {
    400: (InvalidRequest, "the model's server does not understand the request"),
    401: (Unauthenticated, "the model's server wants a key, or another one: --set api_key_env=NAME names its variable"),
    402: (QuotaExhausted, "the model's server says that its bill is not paid"),
    403: (PermissionDenied, "the model's server does not let this key ask"),
    404: (InvalidRequest, "nothing answers at this address: check base_url and the model's name"),
    405: (InvalidRequest, "nothing answers at this address: check base_url"),
    413: (InvalidRequest, "the question, or its pictures, are larger than the model's server takes"),
    422: (InvalidRequest, "the model's server does not understand the request"),
    429: (RateLimited, "the model's server is asked too often"),
}


class _Sent(httpx2.AsyncByteStream):
    """The body of a request. Counted as it is handed over, for what breaks off has sent it."""

    def __init__(self, stream: httpx2.AsyncByteStream, meter: Meter) -> None:
        self._stream, self._meter = stream, meter

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        self._meter.requests += 1
        async for chunk in self._stream:
            for at in range(0, len(chunk), _SLICE):
                part = chunk[at : at + _SLICE]
                self._meter.sent += len(part)
                yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Received(httpx2.AsyncByteStream):
    """The body of a response, before anything is decoded."""

    def __init__(self, stream: httpx2.AsyncByteStream, meter: Meter) -> None:
        self._stream, self._meter = stream, meter

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        async for chunk in self._stream:
            self._meter.received += len(chunk)
            yield chunk
        self._meter.whole = True

    async def aclose(self) -> None:
        await self._stream.aclose()


class Counting(httpx2.AsyncBaseTransport):
    """Adds what goes over `inner` to the meter of the task that asks."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers.update(_PLAIN)
        # Google's SDK asks for none at all.
        request.extensions = {**request.extensions, "timeout": _TIMEOUT.as_dict()}
        meter = METER.get() or Meter()
        meter.whole = False
        assert isinstance(request.stream, httpx2.AsyncByteStream)
        request.stream = _Sent(request.stream, meter)
        response = await self._inner.handle_async_request(request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Received(response.stream, meter)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def client(
    transport: httpx2.AsyncBaseTransport | None = None, /, *, proxy: str = "", ca_file: str = "", **unknown: str
) -> httpx2.AsyncClient:
    """`transport`: in place of the network; `proxy`: the address of one to go through; `ca_file`: the certificates to
    trust, where the server's are one's own. Follows no redirect: a question goes where it was sent to, or nowhere.
    InvalidRequest for other settings."""
    if unknown:
        raise InvalidRequest(f"this provider does not know the setting: {', '.join(sorted(unknown))}")
    try:
        verify = ssl.create_default_context(cafile=ca_file) if ca_file else True
        inner = transport or httpx2.AsyncHTTPTransport(verify=verify, limits=_LIMITS, proxy=proxy or None)
    except OSError:
        raise InvalidRequest(f"ca_file={ca_file} holds no certificates that can be read") from None
    except (ValueError, ImportError, httpx2.InvalidURL):
        raise InvalidRequest("proxy is no address of one: --set proxy=http://HOST:PORT") from None
    return httpx2.AsyncClient(
        transport=Counting(inner), headers=_PLAIN, timeout=_TIMEOUT, follow_redirects=False, trust_env=False
    )


def checked_key(api_key: str) -> str:
    """A key fits into a header, or InvalidRequest, which does not repeat it."""
    if api_key and not (api_key.isascii() and api_key.isprintable() and " " not in api_key):
        raise InvalidRequest("the key holds a space, a line end or another character that no key has: set it anew")
    return api_key


def host_of(base_url: str) -> str:
    """Host and port, without a name and password, which some put into the address. InvalidRequest for what is no
    address."""
    if not base_url.startswith(("http://", "https://")) or not urlsplit(base_url).hostname:
        raise InvalidRequest("base_url is no address: --set base_url=http://127.0.0.1:8000")
    return urlsplit(base_url).netloc.rpartition("@")[2]


def failed(status: int, told: Iterable[object] = (), codes: Mapping[str, Kind] | None = None) -> ParlanceError:
    """For an error that a vendor told. `told`: its codes and types, the most exact one first, looked up in `codes`
    before the status, which does not tell a hopeless 429 from a busy one; a stream that has begun has status 200."""
    for code in told:
        if codes and isinstance(code, str) and code in codes:
            kind, message = codes[code]
            return kind(message)
    if status in _BY_STATUS:
        kind, message = _BY_STATUS[status]
        return kind(f"{message} ({status})")
    if 300 <= status < 400:
        return InvalidRequest(f"the model's server sends us to another address ({status}): set base_url to that one")
    if 400 <= status < 500 and status not in (408, 409, 425):
        return InvalidRequest(f"the model's server does not take the request ({status})")
    return Unavailable(f"the model's server failed ({status})")


@contextmanager
def translated(vendors: Callable[[Exception], ParlanceError | None]) -> Iterator[None]:
    """Around a request and the reading of its response. `vendors`: our error for one of the SDK's, None for others.
    What was raised is not kept as the cause: its text may hold what was asked."""
    try:
        yield
    except ParlanceError:
        raise
    except Exception as exc:
        ours = vendors(exc) or broken(exc)
        if ours is None:
            raise
        raise ours from None


def broken(exc: BaseException) -> ParlanceError | None:
    """Our error for what the connection, or the reading of what came, has raised; None for what is no such thing."""
    chain = _chain(exc)
    if any(isinstance(e, ssl.SSLCertVerificationError) for e in chain):
        return Mistrusted("the certificate of the model's server is not trusted: --set ca_file=FILE names whose is")
    for link in chain:
        for kind, ours, message in _BROKEN:
            if isinstance(link, kind):
                # Of a question that is asked back, the type would be no answer.
                return ours(message if message.endswith("?") else f"{message} ({type(link).__name__})")
    return None


_BROKEN: tuple[tuple[type[BaseException], type[ParlanceError], str], ...] = (
    (httpx2.UnsupportedProtocol, InvalidRequest, "base_url is no address"),
    (httpx2.InvalidURL, InvalidRequest, "base_url is no address"),
    (httpx2.ProxyError, Unreachable, "the proxy does not let us through"),
    (httpx2.ConnectError, Unreachable, "the model's server cannot be reached; is it running?"),
    (httpx2.ConnectTimeout, Unreachable, "the model's server cannot be reached; is it running?"),
    (httpx2.PoolTimeout, Unavailable, "all connections to the model's server are busy"),
    (httpx2.TimeoutException, Unavailable, "the model's server said nothing for too long"),
    (httpx2.HTTPError, Unavailable, "the model's server broke off"),
    (httpx2.StreamError, Unavailable, "the model's server broke off"),
    # JSON that is none, or that lacks what it must have.
    (ValueError, Unavailable, "the model's server sends what nobody understands"),
    (LookupError, Unavailable, "the model's server sends what nobody understands"),
    (TypeError, Unavailable, "the model's server sends what nobody understands"),
    (AttributeError, Unavailable, "the model's server sends what nobody understands"),
)


def _chain(exc: BaseException | None) -> list[BaseException]:
    """It, and what it was raised from: an SDK wraps what its connection raised."""
    found: list[BaseException] = []
    while exc is not None and exc not in found:
        found.append(exc)
        exc = exc.__cause__ or exc.__context__
    return found
