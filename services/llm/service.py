"""The service `Llm`: an answer in pieces, from whichever provider the route names."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from functools import partial
from typing import Any

from google.protobuf.message import Message

from parlance import ids
from parlance.answers import Answers
from parlance.errors import InvalidRequest, ParlanceError
from parlance.events import wrap
from parlance.rpc import Call
from parlance.v1.control_pb2 import RouteSet
from parlance.v1.llm_pb2 import Attempt as Why
from parlance.v1.llm_pb2 import LlmAnswered, LlmEvent
from parlance.v1.llm_service_pb2 import (
    AnswerRequest,
    AnswerResponse,
    CancelRequest,
    CancelResponse,
    CheckLlmRouteRequest,
    CheckLlmRouteResponse,
    ConsentNeeded,
    ExplainRequest,
    ExplainResponse,
    RememberConsentRequest,
    RememberConsentResponse,
)
from parlance.v1.turn_pb2 import AnswerRecorded, Header
from services.llm import booking, router
from services.llm.answering import Answering, Asks
from services.llm.attempt import Attempt
from services.llm.choice import Choice
from services.llm.choosing import Choosing
from services.llm.explain import explained
from services.llm.loading import Loading
from services.llm.parts import Parts
from services.llm.spending import limited

# Replicas number the attempts of a call apart, so that two of them that are asked it are billed twice.
_ATTEMPTS_OF_ONE = 16


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
        parts: Parts | None = None,
    ) -> None:
        self._publish, self._route, self._parts = publish, route, parts or Parts()
        self.answers = Answers(self._answered)
        self._group = asyncio.TaskGroup()
        self._warming: asyncio.Task[None] | None = None
        self._loading = Loading(secret)
        self._choosing = Choosing(self._parts)
        # How often each call was begun: of earlier lives, of which only usage is known, and of answers under way.
        self._begun: dict[str, int] = {}

    async def __aenter__(self) -> "LlmService":
        await self._group.__aenter__()
        await self.answers.__aenter__()
        return self

    async def __aexit__(self, *exc: Any) -> None:
        await self.answers.__aexit__(*exc)
        if self._warming is not None:
            self._warming.cancel()
        await self._group.__aexit__(None, None, None)
        await self._loading.aclose()

    def warm_soon(self) -> None:
        """While it answers already."""
        self._warming = self._group.create_task(self.warm())

    async def warm(self) -> None:
        """Loads whom the route in force may ask: an SDK takes a second, and the first failover is no time for it. One
        that cannot be had is told to whoever asks."""
        for rule in router.rules_of(self._route()):
            for target in rule.targets:
                with suppress(ParlanceError):
                    await self._loading.provider(target, self._parts.models.find(target))

    def recover(self, event: LlmEvent) -> None:
        """An event of llm.v1 of an earlier life: its answer can be given again; one that was booked and is not on
        record is the next attempt of its call where it is begun anew."""
        if event.WhichOneof("event") == "answered":
            self.answers.recover(event.header, event.answered.answer, AnswerResponse)
        elif event.WhichOneof("event") == "usage":
            told = event.usage
            self._begun[told.call_id] = max(self._begun.get(told.call_id, 0), told.attempt + 1)

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
        await asyncio.to_thread(self._choosing.check, request.route, self._loading)
        yield CheckLlmRouteResponse()

    async def remember_consent(
        self, request: RememberConsentRequest, call: Call
    ) -> AsyncGenerator[RememberConsentResponse, None]:
        if request.vendor:
            await self._parts.remember(call.header, request.vendor, request.consent)
        yield RememberConsentResponse(by_vendor=self._parts.consents(call.header.user_id))

    async def explain(self, request: ExplainRequest, call: Call) -> AsyncGenerator[ExplainResponse, None]:
        route = self._route()
        if limited(route):
            await self._parts.follow()
        yield explained(route, self._choosing.all(request.request, call.header, route))

    async def _begin(self, request: AnswerRequest, call: Call) -> AsyncGenerator[AnswerResponse, None]:
        """The newest route is fixed when the answer begins, and named in it."""
        route = self._choosing.noted(self._route())
        if limited(route):
            await self._parts.follow()
        choices = self._choosing.able(request, call.header, route)
        if choices[0].needs_consent:
            yield AnswerResponse(consent_needed=_consent(choices[0], route))
            return
        begin, end = partial(self._attempt, call, route), partial(self._ended, call, route)
        asks = Asks(self._parts.limits, self._group.create_task, begin, end)
        asked = [choice for choice in choices if not choice.needs_consent]
        try:
            async with aclosing(Answering(asks, request, route.version, asked).parts()) as parts:
                async for part in parts:
                    yield part
        finally:
            self._begun.pop(call.id, None)

    async def _attempt(
        self, call: Call, route: RouteSet, choice: Choice, why: Why.ValueType, request: AnswerRequest
    ) -> Attempt:
        provider = await self._loading.provider(choice.target, choice.model)
        attempt = Attempt(self._begun.get(call.id, call.rank * _ATTEMPTS_OF_ONE), why, choice, provider, request)
        self._choosing.begins(attempt, call.header, route)
        self._begun[call.id] = attempt.number + 1
        return attempt

    def _ended(self, call: Call, route: RouteSet, attempt: Attempt) -> int:
        """What the attempt cost, in US dollars / 1e9."""
        usage = booking.usage_of(call.id, route, attempt)
        self._fact(call.header, call.id, usage, attempt.number)
        if booking.has_left(attempt):
            left = booking.egress_of(call.id, route, attempt, self._parts.models.version)
            self._fact(call.header, call.id, left, attempt.number)
        self._choosing.ended(attempt, call.header, usage)
        return usage.cost_nanos

    def _answered(self, header: Header, fact: AnswerRecorded) -> "asyncio.Future[Any] | None":
        return self._fact(header, fact.call_id, LlmAnswered(answer=fact))

    def _fact(self, cause: Header, call_id: str, body: Message, attempt: int = 0) -> "asyncio.Future[Any] | None":
        """One event of each kind per call and attempt."""
        event: LlmEvent = wrap(LlmEvent, cause, body)
        event.header.causation_id = cause.event_id
        event.header.event_id = ids.event_id(cause.run, call_id, body.DESCRIPTOR.name, attempt)
        return self._publish(event)


def _consent(choice: Choice, route: RouteSet) -> ConsentNeeded:
    made = ConsentNeeded(provider=choice.target.target, route_version=route.version)
    if (model := choice.model) is not None:
        made.vendor, made.speaks_as, made.tier = model.vendor, model.speaks_as or model.vendor, model.tier
    return made
