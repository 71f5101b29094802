"""Calls between services: what both carriers share.

A service is an object whose methods are async generator functions, unary ones too (these yield exactly once):

    async def answer(self, request: AnswerRequest, call: Call) -> AsyncIterator[AnswerResponse]

`rpc_direct.DirectCarrier` carries calls within one process, `rpc_grpc.GrpcCarrier` and `rpc_server.GrpcServer` between
processes. What an asker and a service see is the same over both; one suite in tests/contract holds them to it:

- Nothing is shared: requests and responses are copies.
- Closing the generator that `ask` returned ends the service's generator at its `await` or `yield`.
- After `Call.deadline` the asker gets DeadlineExceeded and the service's generator is ended. A call whose deadline has
  already passed never reaches the service.
- Errors are those of parlance.errors, with code and message. Anything else that a service raises is Internal and tells
  its type alone, since its message may hold what somebody said.
- A service is only pulled as fast as its asker reads.
- The stream of requests belongs to the carrier, which closes it. Over gRPC a client that vanished may look like the end
  of its requests before the call is cut, so a protocol whose end means something has a message for it (AudioEnd).
"""

import asyncio
import functools
import importlib
import inspect
import keyword
import logging
import math
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from parlance.errors import Internal, ParlanceError, as_error
from parlance.v1.turn_pb2 import Header

M = TypeVar("M", bound=Message)
Method = Callable[[Any, "Call"], AsyncGenerator[Message, None]]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Call:
    """Who asks what for which turn.

    `id` is empty where there is none (a stranger's client), and so is the header. It is what the asker says: a door to
    the outside must authenticate before it believes it. `deadline` is in seconds of the running loop's time().
    `begun`: the asker has spoken of this answer already, so it is joined or given again, and never begun anew.
    `rank`: how many replicas of the service the session prefers to this one."""

    id: str
    header: Header
    deadline: float = math.inf
    begun: bool = False
    rank: int = 0

    def remaining(self) -> float:
        """Seconds until the deadline: negative after it, inf without one."""
        return self.deadline - asyncio.get_running_loop().time() if self.deadline < math.inf else math.inf


class Carrier(Protocol):
    def ask(self, method: str, request: Message | AsyncIterator[Message], call: Call) -> AsyncGenerator[Message, None]:
        """The responses of `method` ("Llm.Answer"), to be consumed inside aclosing. Nothing is sent before the first
        one is asked for. Raises parlance.errors only; Unavailable where the service is out of reach."""
        ...

    async def stop(self) -> None:
        """Lets go of everything. Calls that still run end with Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Credentials:
    """PEM files for mutual TLS: who signs the peers, and what we show them."""

    ca: Path
    cert: Path
    key: Path


async def one(responses: AsyncGenerator[M, None]) -> M:
    """The single response of a unary method. It counts only once the service has ended well, so that nothing which the
    service still does after its response is cut off."""
    found: M | None = None
    async with aclosing(responses):
        async for message in responses:
            if found is not None:
                raise Internal("more than one response of a unary method")
            found = message
    if found is None:
        raise Internal("no response of a unary method")
    return found


def snake(name: str) -> str:
    """CheckLlmRoute -> check_llm_route; Import -> import_."""
    made = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    return f"{made}_" if keyword.iskeyword(made) else made


@functools.cache
def split(method: str) -> tuple[str, str]:
    """("Llm", "check_llm_route") of "Llm.CheckLlmRoute": the service and the name of its method in Python."""
    service, _, name = method.partition(".")
    return service, snake(name)


@functools.cache
def descriptor(service: str) -> ServiceDescriptor:
    """What parlance.v1 says of a service ("Llm"). Raises ModuleNotFoundError where it says nothing."""
    module = importlib.import_module(f"parlance.v1.{snake(service)}_service_pb2")
    found: ServiceDescriptor = module.DESCRIPTOR.services_by_name[service]
    return found


def implemented(name: str, service: object) -> Mapping[str, Method]:
    """The methods ("Answer") that `service` has of the service `name`.

    Raises TypeError for one that is not an async generator function: grpc.aio would take a plain function that returns
    a generator for a synchronous one and run it in a thread."""
    found: dict[str, Method] = {}
    for method in descriptor(name).methods:
        function = getattr(service, snake(method.name), None)
        if function is None:
            continue
        if not inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{type(service).__name__}.{snake(method.name)} ({name}.{method.name}) is not an async generator "
                "function: write it as `async def` with `yield`, also for one response"
            )
        found[method.name] = function
    return found


def failure(method: str, exc: BaseException) -> ParlanceError:
    """What the asker is told of an exception of a service. Of an exception that is not ours the log gets type and
    place, never the message."""
    while isinstance(exc, BaseExceptionGroup) and len(exc.exceptions) == 1:
        exc = exc.exceptions[0]
    if not isinstance(exc, ParlanceError):
        _log.error("%s failed: %s at %s", method, type(exc).__name__, _place(exc))
    return as_error(exc)


def _place(exc: BaseException) -> str:
    frame = exc.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return "?" if frame is None else f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}"


async def close(method: str, stream: object) -> None:
    """Closes a generator (or any stream) whose end nobody waits for any more; what it raises is logged alone."""
    aclose = getattr(stream, "aclose", None)
    if aclose is None:
        return
    try:
        await aclose()
    except Exception as exc:
        failure(method, exc)
