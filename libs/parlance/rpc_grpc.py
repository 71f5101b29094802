"""Calls to services in other processes, over grpc.aio; and what its two ends agree on.

Call id and header travel in metadata, the deadline in grpc-timeout, an error's code and message in trailing metadata
(`parlance-error-bin`) beside the gRPC status that fits best, which a stranger's client sees.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from parlance.errors import Internal, ParlanceError, Unavailable, Unreachable
from parlance.replicas import Replica, Replicas
from parlance.rpc import Call, Credentials, close, descriptor, failure
from parlance.rpc_status import from_status, too_late

# How long a service that answers nowhere is left alone.
_AGAIN_S = 0.25
HEADER, CALL_ID = "parlance-header-bin", "parlance-call-id"
BEGUN = "parlance-begun"
RANK = "parlance-rank"

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


class GrpcCarrier:
    """Carries calls to the addresses of `addresses`: "Llm" -> "llm:50054" or "one:50054,two:50054". One connection per
    address, made at the first call. A session is always asked of the same replica; where nothing answers there, of the
    next, unless the request is a stream, of which some may be gone. `credentials` (mutual TLS): what the peers'
    certificates are checked against and what we show. `patience_s`: so long one that answers nowhere is tried again,
    as it may be starting."""

    def __init__(
        self, addresses: Mapping[str, str], credentials: Credentials | None = None, *, patience_s: float = 0.0
    ) -> None:
        self._replicas, self._shown = Replicas(addresses), credentials
        self._patience_s = patience_s
        self._tls = _channel_credentials(credentials) if credentials else None
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._running: set[_Stream] = set()
        self._stopped = False

    async def ask(
        self, method: str, request: Message | AsyncIterator[Message], call: Call
    ) -> AsyncGenerator[Message, None]:
        if call.remaining() <= 0:  # a timeout of 0 would sometimes reach the server
            raise too_late(method)
        loop, begun = asyncio.get_running_loop(), False
        until = loop.time() + (self._patience_s if isinstance(request, Message) else 0.0)
        while True:
            for replica, last in await self._candidates(method, request, call):
                try:
                    async with aclosing(self._ask_at(replica, method, request, call)) as messages:
                        async for message in messages:
                            begun = True
                            yield message
                    return
                except Unreachable:
                    self._replicas.silent(replica)
                    if begun or (last and loop.time() >= until):
                        raise
            await asyncio.sleep(_AGAIN_S)

    async def _ask_at(
        self, replica: Replica, method: str, request: Message | AsyncIterator[Message], call: Call
    ) -> AsyncGenerator[Message, None]:
        stream = self._open(replica, method, request, call)
        self._running.add(stream)
        held: list[Message] = []
        try:
            while (message := await stream.next()) is not None:
                if stream.single:
                    held.append(message)
                else:
                    yield message
            # A single response counts once its service has ended well; where that dies in between, another is asked.
            for message in held:
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

    async def _candidates(
        self, method: str, request: Message | AsyncIterator[Message], call: Call
    ) -> Iterator[tuple[Replica, bool]]:
        """At least one replica; and whether it is the last."""
        service = method.partition(".")[0]
        ranked = await self._replicas.ranked(service, call.header.session_id)
        if not ranked or self._stopped:
            raise Unavailable(f"no address of the {service} service is known to this process")
        asked = ranked if isinstance(request, Message) else ranked[:1]
        return ((replica, replica is asked[-1]) for replica in asked)

    def _open(self, replica: Replica, method: str, request: Message | AsyncIterator[Message], call: Call) -> "_Stream":
        remaining = call.remaining()
        if remaining <= 0:
            raise too_late(method)
        service, _, name = method.partition(".")
        described = descriptor(service).methods_by_name[name]
        channel = self._channel(replica)
        open_ = channel.stream_stream if described.client_streaming else channel.unary_stream
        told = (CALL_ID, call.id), (BEGUN, str(int(call.begun))), (RANK, str(replica.rank))
        metadata = ((HEADER, call.header.SerializeToString()), *told)
        given: Any = None if described.client_streaming else _bytes(request)
        rpc: Any = open_(path(described))(
            given, timeout=None if remaining == math.inf else remaining, metadata=metadata
        )
        stream = _Stream(rpc, described, replica.address, None if isinstance(request, Message) else request)
        stream.shown = self._shown
        return stream

    def _channel(self, replica: Replica) -> grpc.aio.Channel:
        channel = self._channels.get(replica.address)
        if channel is None:
            if self._tls:
                options = [*_CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", replica.host.strip("[]"))]
                channel = grpc.aio.secure_channel(replica.address, self._tls, options)
            else:
                channel = grpc.aio.insecure_channel(replica.address, _CHANNEL_OPTIONS)
            self._channels[replica.address] = channel
        return channel


class _Stream:
    """One call: its responses, and the one task that writes its requests where they are a stream."""

    def __init__(
        self, rpc: Any, described: MethodDescriptor, address: str, requests: AsyncIterator[Message] | None
    ) -> None:
        self.rpc = rpc
        self.shown: Credentials | None = None
        self.single = not described.server_streaming
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
            raise from_status(exc, self._method, self._address, self.shown) from None
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


def _bytes(request: object) -> bytes:
    assert isinstance(request, Message), "this method takes one message"
    return request.SerializeToString()


def _channel_credentials(credentials: Credentials) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        credentials.ca.read_bytes(), credentials.key.read_bytes(), credentials.cert.read_bytes()
    )
