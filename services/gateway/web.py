"""The page and its WebSocket at 127.0.0.1: Starlette inside uvicorn, as a task of the platform's own loop."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Generator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from parlance.errors import Unavailable
from services.gateway.socket import Service, Socket

STATIC = Path(__file__).parent / "static"
_ADDRESS = "127.0.0.1"
_FRAME_MAX = 1 << 20
_HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "microphone=(self)",
    # After an update the next visit shows the new page; unchanged files answer 304.
    "cache-control": "no-cache",
}


class Web:
    """`run` serves until it is cancelled, then closes what is open (at most 2 s)."""

    def __init__(self, service: Service, port: int, host: str = _ADDRESS) -> None:
        self._service, self._port, self._host = service, port, host

    async def run(self, ready: asyncio.Event) -> None:
        """Raises Unavailable where the port cannot be had."""
        listening = _listen(self._host, self._port)
        server = _Server(
            uvicorn.Config(
                self.app(),
                ws="websockets-sansio",
                ws_per_message_deflate=False,
                ws_max_size=_FRAME_MAX,
                lifespan="on",
                timeout_graceful_shutdown=2,
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                date_header=False,
            ),
            ready,
        )
        await server.serve(sockets=[listening])
        raise asyncio.CancelledError

    def app(self) -> ASGIApp:
        """The ASGI application, with its door."""
        routes = [WebSocketRoute("/ws", self._talk), Mount("/", StaticFiles(directory=STATIC, html=True))]
        return Starlette(routes=routes, middleware=[Middleware(Door, port=self._port)])

    async def _talk(self, websocket: WebSocket) -> None:
        await Socket(self._service, websocket).run()


class Door:
    """Lets in what a page of ours asks of this machine itself.

    Any web page may open ws://127.0.0.1 (so Origin is checked), and a name that its owner points at 127.0.0.1 makes
    a stranger's page our neighbour (so Host is checked)."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app, self._port = app, port
        names = ("127.0.0.1", "localhost", "[::1]")
        self._hosts = {f"{name}:{port}" for name in names} | (set(names) if port == 80 else set())
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        app = self._app if self._may_enter(scope, needs_origin=False) else self._refusal()
        await app(scope, receive, send_with_headers)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._may_enter(scope, needs_origin=True):
            await self._app(scope, receive, send)
        else:
            await WebSocket(scope, receive, send).send_denial_response(self._refusal())

    def _may_enter(self, scope: Scope, *, needs_origin: bool) -> bool:
        headers = Headers(scope=scope)
        origins = headers.getlist("origin")
        if headers.get("host", "").lower() not in self._hosts or len(headers.getlist("host")) != 1:
            return False
        return all(o.lower() in self._origins for o in origins) and (bool(origins) or not needs_origin)

    def _refusal(self) -> PlainTextResponse:
        return PlainTextResponse(
            f"Parlance answers here to its own page alone: open http://{_ADDRESS}:{self._port} in a browser on this "
            "machine. Programs use the gRPC port.\n",
            status_code=403,
        )


class _Server(uvicorn.Server):
    """Leaves signals to the platform and never wakes up while nothing happens."""

    def __init__(self, config: uvicorn.Config, ready: asyncio.Event) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def main_loop(self) -> None:
        """Until cancelled. The cancel is taken here, so that `serve` goes on to its shutdown."""
        await self.on_tick(0)
        self._ready.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


def _listen(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(128)
    except OSError as exc:
        made.close()
        taken = exc.errno == errno.EADDRINUSE
        why = "is taken; perhaps Parlance runs already" if taken else f"cannot be had ({exc.strerror})"
        raise Unavailable(
            f"the page's port {port} {why}: end what listens there, or choose another with PARLANCE_HTTP_PORT"
        ) from exc
    made.setblocking(False)
    return made
