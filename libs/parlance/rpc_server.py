"""Serves services over grpc.aio, with health, reflection and an orderly end."""

import asyncio
import errno
import math
import socket
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from parlance import metrics
from parlance.access import Access
from parlance.errors import Internal, InvalidRequest, ParlanceError, PermissionDenied, Unavailable, Unreachable
from parlance.log import logger
from parlance.patience import Patience
from parlance.rpc import Call, Credentials, Method, close, descriptor, failure, implemented
from parlance.rpc_grpc import BEGUN, CALL_ID, HEADER, OPTIONS, RANK, keepalive
from parlance.rpc_status import ERROR, STATUS
from parlance.v1.turn_pb2 import Header

# Clients may ping as often as ours do, and have longer to answer: theirs may be a bad network. Two servers never share
# a port.
_SERVER_OPTIONS: list[tuple[str, Any]] = [
    *OPTIONS,
    *keepalive(1000),
    ("grpc.http2.min_ping_interval_without_data_ms", 500),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.so_reuseport", 0),
]
# A client that is there, but reads nothing for so long, is let go.
_STALLED_S = 10.0
_MAX_ERROR_CHARS = 4000  # both in the status and in trailing metadata, of which a peer takes 64 KiB


class GrpcServer:
    """Serves `services` ("Llm" -> object) at `address`; port 0 takes a free one, see `port`.

    `credentials`: mutual TLS, only peers signed by `ca` are let in. `access`, with them: which methods a peer may call,
    by its certificate's name; health and reflection are open to all that are let in. `setting`: what chooses the
    address. Raises TypeError for a method that is no async generator function. A Call's header is what the client says:
    a door to the outside must not believe it."""

    def __init__(
        self,
        services: Mapping[str, object],
        address: str = "127.0.0.1:50051",
        credentials: Credentials | None = None,
        *,
        access: Access | None = None,
        setting: str = "PARLANCE_GRPC_PORT",
    ) -> None:
        self.address, self.port = address, 0
        self._setting = setting
        self._handlers = [_methods(self, name, service) for name, service in services.items()]
        self._names = [descriptor(name).full_name for name in services]
        self._credentials, self._access = credentials, access
        self._server: grpc.aio.Server | None = None
        self._health: Any = None
        self.draining = False
        self.running: set[asyncio.Task[object]] = set()

    async def start(self) -> None:
        """Raises Unavailable where the address cannot be had."""
        self._server = server = grpc.aio.server(options=_SERVER_OPTIONS)
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        server.add_generic_rpc_handlers(self._handlers)
        reflection.enable_server_reflection([*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
        self.port = self._bind(server)
        await server.start()
        for name in self._names:
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def set_health(self, name: str, serving: bool) -> None:
        """What health says of something that is no gRPC service (`bus`)."""
        status = health_pb2.HealthCheckResponse
        await self._health.set(name, status.SERVING if serving else status.NOT_SERVING)

    async def drain(self) -> None:
        """Begins nothing more: new calls get Unavailable, health says so, what runs goes on."""
        self.draining = True
        if self._health is not None:
            await self._health.enter_graceful_shutdown()

    async def stop(self, grace: float = 0.0) -> None:
        """Drains, gives running calls `grace` seconds, cuts the rest and waits until their services have ended."""
        await self.drain()
        if self._server is None:
            return
        server, self._server = self._server, None
        await server.stop(grace or None)
        if self.running:
            await asyncio.wait(tuple(self.running))

    def check(self, method: str, context: Any) -> None:
        """Raises PermissionDenied where this peer may not call "Llm.Answer"."""
        if self._access is not None:
            try:
                self._access.check_call(_peer(context), method)
            except PermissionDenied as exc:
                logger.warning("refused: %s", exc.message)
                raise

    def _bind(self, server: grpc.aio.Server) -> int:
        try:
            if self._credentials is None:
                return server.add_insecure_port(self.address)
            return server.add_secure_port(self.address, _server_credentials(self._credentials))
        except RuntimeError:
            raise Unavailable(_why_not(self.address, self._setting)) from None


def _methods(server: GrpcServer, name: str, service: object) -> grpc.GenericRpcHandler:
    """The methods of one service, by their descriptors. All are served as streams, which look the same on the wire."""
    described = descriptor(name)
    methods = {
        method: _method(described.methods_by_name[method], function, server)
        for method, function in implemented(name, service).items()
    }
    return grpc.method_handlers_generic_handler(described.full_name, methods)


def _method(described: MethodDescriptor, function: Method, server: GrpcServer) -> Any:
    method = f"{described.containing_service.name}.{described.name}"
    request_class, response_class = GetMessageClass(described.input_type), GetMessageClass(described.output_type)

    async def respond(request: Any, context: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        server.running.add(task)
        began = time.monotonic()
        given: Any = _requests(context, request_class) if described.client_streaming else None
        try:
            if server.draining:
                raise Unreachable("it stops; ask another one, or again once it runs")
            server.check(method, context)
            given = given or _parse(request, request_class)
            await _pass_on(context, function(given, _call(context)), response_class)
        except asyncio.CancelledError as exc:
            if task.cancelling() or isinstance(exc, _Gone):
                raise
            await _abort(context, failure(method, exc))
        except Exception as exc:
            await _abort(context, failure(method, exc))
        finally:
            server.running.discard(task)
            if not described.client_streaming:  # such a call takes as long as its client goes on
                metrics.called(method, time.monotonic() - began)
            await close(method, given)

    make = grpc.stream_stream_rpc_method_handler if described.client_streaming else grpc.unary_stream_rpc_method_handler
    return make(respond)


class _Gone(asyncio.CancelledError):
    """The client is gone, noticed in writing to it or in telling it why. grpc.aio takes it as the end of the call,
    without a word."""


async def _pass_on(context: Any, responses: AsyncGenerator[Message, None], response_class: type[Message]) -> None:
    """Pulls only when the last message could be written: a client that stops reading stops the service, and is let go
    when it reads nothing for 10 s."""
    patience = Patience()
    try:
        async with aclosing(responses):
            async for message in responses:
                if not isinstance(message, response_class):
                    raise Internal(f"a service gave {type(message).__name__} for {response_class.__name__}")
                try:
                    await patience.wait(context.write(message.SerializeToString()), _STALLED_S)
                except grpc.aio.BaseError:
                    raise _Gone from None
                except TimeoutError:
                    raise Unavailable("the client has stopped reading; the call was ended") from None
    finally:
        patience.close()


def _peer(context: Any) -> str:
    """The name in the peer's certificate; "" where it has none, or several."""
    names = context.auth_context().get("x509_common_name", ())
    return names[0].decode(errors="replace") if len(names) == 1 else ""


def _call(context: Any) -> Call:
    """The call as its metadata tells it; of a stranger's client: an empty header, no id."""
    metadata = dict(context.invocation_metadata())
    remaining = context.time_remaining()
    deadline = math.inf if remaining is None else asyncio.get_running_loop().time() + remaining
    header = _parse(metadata.get(HEADER, b""), Header)
    rank = metadata.get(RANK, "")[:2]
    return Call(
        metadata.get(CALL_ID, ""), header, deadline, metadata.get(BEGUN) == "1", int(rank) if rank.isdecimal() else 0
    )


def _parse(raw: bytes, message_class: type[Any]) -> Any:
    try:
        return message_class.FromString(raw)
    except DecodeError:
        raise InvalidRequest(f"this is no {message_class.__name__} of parlance.v1") from None


async def _requests(context: Any, request_class: type[Message]) -> AsyncGenerator[Message, None]:
    while (raw := await context.read()) is not grpc.aio.EOF:
        yield _parse(raw, request_class)


async def _abort(context: Any, error: ParlanceError) -> None:
    status = next((STATUS[cls] for cls in type(error).__mro__ if cls in STATUS), grpc.StatusCode.INTERNAL)
    told = error.to_proto()
    told.message = told.message[:_MAX_ERROR_CHARS]
    # Without an error of ours, which is how the asker knows that it is as good as gone.
    ours = () if isinstance(error, Unreachable) else ((ERROR, told.SerializeToString()),)
    try:
        await context.abort(status, told.message, ours)
    except grpc.aio.AbortError:  # how grpc.aio ends a call
        raise
    except grpc.aio.BaseError:
        raise _Gone from None


def _why_not(address: str, setting: str) -> str:
    """grpc does not say why it could not bind, so bind once more by hand."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_server((host.strip("[]"), int(port))):
            reason = "the address was taken"
    except OSError as exc:
        reason = f"port {port} is taken by another program" if exc.errno == errno.EADDRINUSE else str(exc.strerror)
    except ValueError:
        reason = "an address is HOST:PORT"
    return f"cannot listen on {address}: {reason}; stop that program, or choose another with {setting}"


def _server_credentials(credentials: Credentials) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials(
        [(credentials.key.read_bytes(), credentials.cert.read_bytes())],
        root_certificates=credentials.ca.read_bytes(),
        require_client_auth=True,
    )
