"""A client of a running platform: what the command line uses, and a model for other people's clients."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from google.protobuf.message import Message

from parlance.rpc import Call, Credentials, one
from parlance.rpc_grpc import GrpcCarrier
from parlance.v1.gateway_service_pb2 import ConverseRequest, ConverseResponse
from parlance.v1.turn_pb2 import Header


class Client:
    """`async with Client(address)`. All methods raise parlance.errors; Unavailable where nothing runs there.
    `credentials`: where the gateway has certificates."""

    def __init__(self, address: str, credentials: Credentials | None = None) -> None:
        self._carrier = GrpcCarrier({"Gateway": address}, credentials)

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._carrier.stop()

    async def ask(self, method: str, request: Message) -> Any:
        """One answer of a unary method: `await client.ask("ListTurns", ListTurnsRequest())`."""
        return await one(self._carrier.ask(f"Gateway.{method}", request, Call("", Header())))

    def stream(self, method: str, request: Message) -> AsyncGenerator[Any, None]:
        """All answers of a method that streams them, to be consumed inside aclosing."""
        return self._carrier.ask(f"Gateway.{method}", request, Call("", Header()))

    def converse(self, requests: AsyncIterator[ConverseRequest]) -> AsyncGenerator[ConverseResponse, None]:
        """One conversation; the first request is hello."""
        return self._carrier.ask("Gateway.Converse", requests, Call("", Header()))  # type: ignore[return-value] # it answers so alone
