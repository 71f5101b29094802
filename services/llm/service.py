"""The service `Llm`: an answer in pieces, from whichever provider the route names."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from parlance import clock, ids, providers
from parlance.answers import Answers
from parlance.egress import leaves
from parlance.errors import InvalidRequest, PermissionDenied, Unavailable
from parlance.events import wrap
from parlance.patience import Patience
from parlance.rpc import Call
from parlance.v1.control_pb2 import RouteSet
from parlance.v1.llm_pb2 import EgressRecorded, LlmAnswered, LlmEvent, UsageRecorded
from parlance.v1.llm_service_pb2 import (
    AnswerBegan,
    AnswerFinished,
    AnswerRequest,
    AnswerResponse,
    CancelRequest,
    CancelResponse,
    CheckLlmRouteRequest,
    CheckLlmRouteResponse,
    Finish,
)
from parlance.v1.turn_pb2 import AnswerRecorded, Header, Label
from services.llm.provider import Provider, Usage, words_of
from services.llm.providers import PROVIDERS

_CLASSES = ("question", "conversation")


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that a provider may take to its first token, and from one token to the next; characters of an answer:
    twenty minutes of speech, so that the fact of it and the conversation that remembers it stay small enough for the
    log."""

    first_s: float = 15.0
    next_s: float = 8.0
    characters: int = 20_000


@dataclass(slots=True)
class _Attempt:
    """An answer under way. `number`: how often it was begun before; `began`: seconds of the loop's time."""

    number: int
    route: RouteSet
    began: float
    began_us: int
    # Characters that it may still take.
    room: int
    first_us: int = 0
    received: int = 0

    def took_us(self) -> int:
        return int((asyncio.get_running_loop().time() - self.began) * 1e6)

    def took_in(self, text: str) -> str:
        """As much of it as there is room for."""
        self.received += len(text.encode())
        self.first_us = self.first_us or max(1, self.took_us())
        fits, self.room = text[: self.room], self.room - len(text)
        return fits


class LlmService:
    """`publish` appends an event to llm.v1 and returns at once (where what follows from an answer is written by another
    process, a future of the record, for that must not be durable before the answer); `route` is the route in force;
    `secret` gives the value of the variable that a route's `api_key_env` names. Use it as `async with LlmService(...)`.
    """

    def __init__(
        self,
        publish: Callable[[LlmEvent], "asyncio.Future[Any] | None"],
        route: Callable[[], RouteSet],
        secret: Callable[[str], str] = lambda name: "",
        limits: Limits = Limits(),
    ) -> None:
        self._publish, self._route, self._secret, self._limits = publish, route, secret, limits
        self.answers = Answers(self._answered)
        self._providers: dict[bytes, Provider] = {}
        # Calls of an earlier life, of which only usage is known: how often each was begun.
        self._begun: dict[str, int] = {}

    async def __aenter__(self) -> "LlmService":
        await self.answers.__aenter__()
        return self

    async def __aexit__(self, *exc: Any) -> None:
        await self.answers.__aexit__(*exc)
        for provider in self._providers.values():
            if (close := getattr(provider, "aclose", None)) is not None:
                await close()

    def recover(self, event: LlmEvent) -> None:
        """An event of llm.v1 of an earlier life: its answer can be given again; one that was booked and is not on
        record is the next attempt of its call where it is begun anew."""
        if event.WhichOneof("event") == "answered":
            self.answers.recover(event.header, event.answered.answer, AnswerResponse)
        elif event.WhichOneof("event") == "usage":
            self._begun[event.usage.call_id] = event.usage.attempt + 1

    async def answer(self, request: AnswerRequest, call: Call) -> AsyncGenerator[AnswerResponse, None]:
        if not call.id or not request.messages:
            raise InvalidRequest("an answer needs a call id and a question")
        given = self.answers.give(call, "Llm.Answer", request, lambda: self._begin(request, call))
        async with aclosing(given) as parts:
            async for part in parts:
                yield part

    async def cancel(self, request: CancelRequest, call: Call) -> AsyncGenerator[CancelResponse, None]:
        yield CancelResponse(recorded=await self.answers.cancel(request.call_id))

    async def check_llm_route(
        self, request: CheckLlmRouteRequest, call: Call
    ) -> AsyncGenerator[CheckLlmRouteResponse, None]:
        await asyncio.to_thread(self._made, request.route)
        yield CheckLlmRouteResponse()

    async def _begin(self, request: AnswerRequest, call: Call) -> AsyncGenerator[AnswerResponse, None]:
        """The newest route is fixed when the answer begins, and named in it."""
        route = self._route()
        provider = self._providers.get(_key(route))
        if provider is None:
            provider = await asyncio.to_thread(self._made, route)
        _check_label(request, provider)
        yield AnswerResponse(began=AnswerBegan(provider=route.target, route_version=route.version))
        usage, limit, patience = None, self._limits.first_s, Patience()
        attempt = self._attempt(call, route)
        try:
            async with aclosing(provider.answer(request)) as values:
                while (value := await patience.next(values, limit)) is not None:
                    if isinstance(value, Usage):
                        usage = value
                        break
                    yield AnswerResponse(text=attempt.took_in(value))
                    limit = self._limits.next_s
                    if attempt.room <= 0:
                        usage = _counted(request, attempt.received, Finish.FINISH_LENGTH)
                        break
        except TimeoutError as exc:  # pings keep a dead stream alive, so its deadlines are ours
            raise Unavailable(f"the language model said nothing for {limit:g} s") from exc
        finally:
            patience.close()
            self._booked(call, attempt, usage or _counted(request, attempt.received))
            if provider.destination:
                self._left(call, attempt, provider, request)
        if usage is None:
            raise Unavailable("the provider ended without saying how")
        yield AnswerResponse(
            finished=AnswerFinished(
                finish=usage.finish,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                estimated=usage.estimated,
            )
        )

    def _attempt(self, call: Call, route: RouteSet) -> _Attempt:
        began = asyncio.get_running_loop().time()
        return _Attempt(self._begun.pop(call.id, 0), route, began, clock.now_us(), self._limits.characters)

    def _made(self, route: RouteSet) -> Provider:
        """Loads a provider; a vendor's SDK takes a second to import."""
        settings = dict(route.settings)
        if "api_key" in settings:
            raise InvalidRequest("a route keeps no keys: --set api_key_env=NAME names the variable that holds it")
        if name := settings.pop("api_key_env", ""):
            settings["api_key"] = self._secret(name)
            if not settings["api_key"]:
                raise InvalidRequest(f"the variable {name} is not set where parlance runs")
        made: Provider = providers.load("llm", PROVIDERS, route.target, **settings)
        self._providers[_key(route)] = made
        return made

    def _answered(self, header: Header, fact: AnswerRecorded) -> "asyncio.Future[Any] | None":
        return self._fact(header, fact.call_id, LlmAnswered(answer=fact))

    def _booked(self, call: Call, attempt: _Attempt, usage: Usage) -> None:
        body = UsageRecorded(
            call_id=call.id,
            attempt=attempt.number,
            provider=attempt.route.target,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            estimated=usage.estimated,
            began_at_us=attempt.began_us,
            first_us=attempt.first_us,
            took_us=attempt.took_us(),
            route_version=attempt.route.version,
        )
        self._fact(call.header, call.id, body, attempt.number)

    def _left(self, call: Call, attempt: _Attempt, provider: Provider, request: AnswerRequest) -> None:
        body = EgressRecorded(
            call_id=call.id,
            attempt=attempt.number,
            provider=attempt.route.target,
            destination=provider.destination,
            data_classes=_CLASSES,
            bytes_sent=sum(len(m.text.encode()) for m in request.messages),
            bytes_received=attempt.received,
            route_version=attempt.route.version,
        )
        self._fact(call.header, call.id, body, attempt.number)

    def _fact(self, cause: Header, call_id: str, body: Message, attempt: int = 0) -> "asyncio.Future[Any] | None":
        """One event of each kind per call and attempt."""
        event: LlmEvent = wrap(LlmEvent, cause, body)
        event.header.causation_id = cause.event_id
        event.header.event_id = ids.event_id(cause.run, call_id, body.DESCRIPTOR.name, attempt)
        return self._publish(event)


def _counted(request: AnswerRequest, received: int, finish: Finish.ValueType = Finish.FINISH_STOP) -> Usage:
    """What an answer that was cut off has used, as far as we can tell."""
    return Usage(input_tokens=words_of(request), output_tokens=received // 4, estimated=True, finish=finish)


def _check_label(request: AnswerRequest, provider: Provider) -> None:
    """What may not leave the device is asked of nobody else."""
    if request.label == Label.LABEL_DEVICE_ONLY and leaves(provider.destination):
        raise PermissionDenied("this may not leave the device: route llm to a model that runs on it")


def _key(route: RouteSet) -> bytes:
    return route.SerializeToString(deterministic=True)
