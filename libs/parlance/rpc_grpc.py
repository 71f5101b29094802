"""Calls to services in other processes, over grpc.aio; and what its two ends agree on.

Call id and header travel in metadata, the deadline in grpc-timeout, an error's code and message in trailing metadata
(`parlance-error-bin`) beside the gRPC status that fits best, which a stranger's client sees.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from parlance import errors
from parlance.errors import DeadlineExceeded, Internal, InvalidRequest, ParlanceError, Unavailable, Unreachable
from parlance.rpc import Call, Credentials, close, descriptor, failure
from parlance.v1.turn_pb2 import Error

HEADER, CALL_ID, ERROR = "parlance-header-bin", "parlance-call-id", "parlance-error-bin"
BEGUN = "parlance-begun"

OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    ("grpc.max_send_message_length", 16 * 1024 * 1024),
    ("grpc.max_metadata_size", 64 * 1024),
    # Otherwise gRPC lets ever more megabytes pile up before it holds the writer back.
    ("grpc.http2.bdp_probe", 0),
]


def keepalive(timeout_ms: int) -> list[tuple[str, Any]]:
    """Pings after a second without data (gRPC's minimum) and gives up `timeout_ms` later. Without ping_timeout_ms a
    frozen peer, whose connection stays open, is noticed after a minute, keepalive or not. gRPC answers pings outside
    the interpreter, so a peer that computes for long is not taken for a frozen one."""
    return [
        ("grpc.keepalive_time_ms", 1000),
        ("grpc.keepalive_timeout_ms", timeout_ms),
        ("grpc.http2.ping_timeout_ms", timeout_ms),
        ("grpc.http2.max_pings_without_data", 0),
    ]


# Whoever asked decides whether to ask again. An HTTP proxy of the environment is not for our own services.
_CHANNEL_OPTIONS: list[tuple[str, Any]] = [
    *OPTIONS,
    *keepalive(400),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
]

_S = grpc.StatusCode
STATUS: dict[type[ParlanceError], grpc.StatusCode] = {
    errors.InvalidRequest: _S.INVALID_ARGUMENT,
    errors.Unauthenticated: _S.UNAUTHENTICATED,
    errors.PermissionDenied: _S.PERMISSION_DENIED,
    errors.RateLimited: _S.RESOURCE_EXHAUSTED,
    errors.QuotaExhausted: _S.RESOURCE_EXHAUSTED,
    errors.Unavailable: _S.UNAVAILABLE,
    errors.DeadlineExceeded: _S.DEADLINE_EXCEEDED,
    errors.Refused: _S.FAILED_PRECONDITION,
    errors.Internal: _S.INTERNAL,
}
# What grpc.aio makes of a call whose end was noticed in writing to it, before the status was read.
_WRITE_FAILED = "Internal error from Core"
_BY_STATUS = {
    **{status: cls for cls, status in reversed(STATUS.items())},
    _S.NOT_FOUND: errors.InvalidRequest,
    _S.OUT_OF_RANGE: errors.InvalidRequest,
    _S.CANCELLED: errors.Unavailable,  # what a server that stops gives its running calls
    _S.UNIMPLEMENTED: errors.Unavailable,
}


class GrpcCarrier:
    """Carries calls to the addresses of `addresses`: "Llm" -> "llm:50051". One connection per address, made at the
    first call. `credentials` (mutual TLS): what the peers' certificates are checked against and what we show."""

    def __init__(self, addresses: Mapping[str, str], credentials: Credentials | None = None) -> None:
        self._addresses = addresses
        self._tls = _channel_credentials(credentials) if credentials else None
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._running: set[_Stream] = set()
        self._stopped = False

    async def ask(
        self, method: str, request: Message | AsyncIterator[Message], call: Call
    ) -> AsyncGenerator[Message, None]:
        remaining = call.remaining()
        if remaining <= 0:  # a timeout of 0 would sometimes reach the server
            raise _too_late(method)
        stream = self._open(method, request, call, remaining)
        self._running.add(stream)
        try:
            while (message := await stream.next()) is not None:
                yield message
        finally:
            self._running.discard(stream)
            await stream.close()

    async def stop(self) -> None:
        self._stopped = True
        for stream in tuple(self._running):
            stream.rpc.cancel()
        for channel in self._channels.values():
            await channel.close()

    def _open(self, method: str, request: Message | AsyncIterator[Message], call: Call, remaining: float) -> "_Stream":
        service, _, name = method.partition(".")
        address = self._addresses.get(service)
        if address is None or self._stopped:
            raise Unavailable(f"no address of the {service} service is known to this process")
        described = descriptor(service).methods_by_name[name]
        channel = self._channel(address)
        open_ = channel.stream_stream if described.client_streaming else channel.unary_stream
        metadata = ((HEADER, call.header.SerializeToString()), (CALL_ID, call.id), (BEGUN, str(int(call.begun))))
        given: Any = None if described.client_streaming else _bytes(request)
        rpc: Any = open_(path(described))(
            given, timeout=None if remaining == math.inf else remaining, metadata=metadata
        )
        return _Stream(rpc, described, address, None if isinstance(request, Message) else request)

    def _channel(self, address: str) -> grpc.aio.Channel:
        channel = self._channels.get(address)
        if channel is None:
            channel = (
                grpc.aio.secure_channel(address, self._tls, _CHANNEL_OPTIONS)
                if self._tls
                else grpc.aio.insecure_channel(address, _CHANNEL_OPTIONS)
            )
            self._channels[address] = channel
        return channel


class _Stream:
    """One call: its responses, and the one task that writes its requests where they are a stream."""

    def __init__(
        self, rpc: Any, described: MethodDescriptor, address: str, requests: AsyncIterator[Message] | None
    ) -> None:
        self.rpc = rpc
        self._method = f"{described.containing_service.name}.{described.name}"
        self._response = GetMessageClass(described.output_type)
        self._address, self._requests = address, requests
        self._failed: Exception | None = None
        # Owned by this stream, which ends it in `close`: no TaskGroup can stand around the carrier's `yield`.
        self._writer = None if requests is None else asyncio.get_running_loop().create_task(self._write(requests))

    async def next(self) -> Message | None:
        task = asyncio.current_task()
        assert task is not None, "calls are read inside a task"
        before = task.cancelling()
        try:
            raw = await self.rpc.read()
            return None if raw is grpc.aio.EOF else self._response.FromString(raw)
        except asyncio.CancelledError:
            if task.cancelling() > before:
                raise
            raise self._broken_off() from None  # by this end of the call, and not by the reader
        except grpc.aio.AioRpcError as exc:
            raise from_status(exc, self._method, self._address) from None
        except DecodeError:
            raise Internal(f"{self._address} does not speak this version of {self._method}") from None

    async def close(self) -> None:
        self.rpc.cancel()
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.wait([self._writer])
            await close(self._method, self._requests)

    async def _write(self, requests: AsyncIterator[Message]) -> None:
        try:
            async for request in requests:
                if not await self._sent(request):
                    return
            await self.rpc.done_writing()
        except Exception as exc:
            self._failed = exc
            self.rpc.cancel()

    async def _sent(self, request: Message) -> bool:
        """False: the call has ended, and its reader learns why."""
        try:
            await self.rpc.write(request.SerializeToString())
        except (grpc.aio.AioRpcError, grpc.aio.BaseError, asyncio.InvalidStateError):
            return False
        return True

    def _broken_off(self) -> ParlanceError:
        if self._failed is not None:
            return failure(self._method, self._failed)
        return Unavailable("this process stops; ask again once it runs")


def path(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def from_status(exc: grpc.aio.AioRpcError, method: str, address: str) -> ParlanceError:
    """The error that the service raised, or what a status that nobody of ours gave amounts to."""
    raw = exc.trailing_metadata().get(ERROR) if exc.trailing_metadata() else None
    if isinstance(raw, bytes):
        return errors.from_proto(Error.FromString(raw))
    code, details = exc.code(), exc.details() or ""
    if code == _S.DEADLINE_EXCEEDED:
        return _too_late(method)
    if code == _S.RESOURCE_EXHAUSTED and "larger than max" in details:
        return InvalidRequest(f"a message of {method} is larger than 16 MiB: send it in pieces")
    if code == _S.UNAVAILABLE:
        return Unreachable(f"{method}: nothing answers at {address}; does the service run there? ({details})")
    if code == _S.INTERNAL and details == _WRITE_FAILED:
        return Unavailable(f"{method}: {address} ended the call in the middle; try again")
    error: type[ParlanceError] = _BY_STATUS.get(code, Internal)
    return error(f"{method} at {address}: {code.name} {details}")


def _too_late(method: str) -> DeadlineExceeded:
    return DeadlineExceeded(f"{method} was not done by its deadline")


def _bytes(request: object) -> bytes:
    assert isinstance(request, Message), "this method takes one message"
    return request.SerializeToString()


def _channel_credentials(credentials: Credentials) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        credentials.ca.read_bytes(), credentials.key.read_bytes(), credentials.cert.read_bytes()
    )
