"""One answer: who is asked, who is asked next where that one cannot answer, and what is told of it."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from parlance.errors import ParlanceError, Refused, Unavailable
from parlance.v1.llm_pb2 import ATTEMPT_FAILOVER, ATTEMPT_FIRST, ATTEMPT_HEDGE, ATTEMPT_RESUME
from parlance.v1.llm_pb2 import Attempt as Why
from parlance.v1.llm_service_pb2 import (
    AnswerBegan,
    AnswerFinished,
    AnswerRequest,
    AnswerResponse,
    Finish,
)
from parlance.v1.turn_pb2 import TIER_PARTNER
from services.llm.attempt import Attempt, Limits
from services.llm.choice import Choice
from services.llm.hedge import Race
from services.llm.provider import Value
from services.llm.resuming import resumed
from services.llm.telling import Telling
from services.llm.words import Seam


@dataclass(frozen=True, slots=True)
class Asks:
    """How an attempt is made and ended. `begin`: the provider of the target is made and the money reserved; raises
    where either cannot be. `end`: it is booked; gives what it cost, in US dollars / 1e9. `spawn`: a task that the
    service owns."""

    limits: Limits
    spawn: Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]
    begin: Callable[[Choice, Why.ValueType, AnswerRequest], Coroutine[Any, Any, Attempt]]
    end: Callable[[Attempt], int]


@dataclass(slots=True)
class Answering:
    """`choices`: who may be asked, in order; at least one."""

    asks: Asks
    request: AnswerRequest
    version: str
    choices: Sequence[Choice]
    _telling: Telling = field(init=False)
    _queue: deque[Choice] = field(init=False)
    _cost: int = 0
    _why_not: ParlanceError | None = None

    def __post_init__(self) -> None:
        held = len(self.choices) > 1 and not self.request.output_schema
        self._telling = Telling(held, self.asks.limits.characters)
        self._queue = deque(self.choices)

    async def parts(self) -> AsyncGenerator[AnswerResponse, None]:
        why = ATTEMPT_FIRST
        while self._queue:
            attempt = await self._begin(why)
            if attempt is not None:
                try:
                    async with aclosing(self._told(attempt)) as parts:
                        async for part in parts:
                            yield part
                    return
                except ParlanceError as exc:
                    self._why_not = self._why_not or exc
                    self._telling.broke_off()
                    if isinstance(exc, Refused) or not self._telling.may_go_on:
                        raise
            why = ATTEMPT_RESUME if self._telling.told else ATTEMPT_FAILOVER
        raise self._why_not or Unavailable("no language model can be asked")

    async def _begin(self, why: Why.ValueType) -> Attempt | None:
        """None where the next one cannot even be asked: no key, no money left, no package."""
        choice, request = self._queue.popleft(), self.request
        if why == ATTEMPT_RESUME:
            request = resumed(request, self._telling.told)
        try:
            attempt = await self.asks.begin(choice, why, request)
        except ParlanceError as exc:
            self._why_not = self._why_not or exc
            return None
        if why == ATTEMPT_RESUME:
            attempt.seam = Seam(self._telling.told)
        return attempt

    async def _told(self, attempt: Attempt) -> AsyncGenerator[AnswerResponse, None]:
        telling = self._telling
        yield self._began(attempt)
        async with aclosing(self._values(attempt)) as values:
            async for speaker, value in values:
                if speaker is not attempt:
                    attempt = speaker
                    yield self._began(attempt)
                for part in telling.of(attempt, value):
                    yield part
                if telling.full:
                    attempt.stopped(Finish.FINISH_LENGTH)
                    break
        for part in telling.rest(attempt):
            yield part
        yield self._finished(attempt)

    async def _values(self, attempt: Attempt) -> AsyncGenerator[tuple[Attempt, Value], None]:
        hedge_s = attempt.choice.target.hedge_ms / 1000
        if hedge_s and self._queue and not self._telling.told:
            race = Race(self.asks.spawn, self._one, self._second)
            async with aclosing(race.run(attempt, hedge_s)) as told:
                async for speaker, value in told:
                    yield speaker, value
            return
        async with aclosing(self._one(attempt)) as values:
            async for value in values:
                yield attempt, value

    async def _second(self) -> Attempt | None:
        return await self._begin(ATTEMPT_HEDGE)

    async def _one(self, attempt: Attempt) -> AsyncGenerator[Value, None]:
        try:
            async with aclosing(attempt.values(self.asks.limits.of(attempt.choice))) as values:
                async for value in values:
                    yield value
        finally:
            self._cost += self.asks.end(attempt)

    def _began(self, attempt: Attempt) -> AnswerResponse:
        choice = attempt.choice
        made = AnswerBegan(provider=choice.target.target, route_version=self.version, rule=choice.rule.name)
        if (model := choice.model) is not None:
            made.tier = model.tier
            made.speaks_as = model.speaks_as if model.tier == TIER_PARTNER else ""
        return AnswerResponse(began=made)

    def _finished(self, attempt: Attempt) -> AnswerResponse:
        used = attempt.used()
        return AnswerResponse(
            finished=AnswerFinished(
                finish=used.finish,
                input_tokens=used.input_tokens,
                output_tokens=used.output_tokens,
                estimated=used.estimated,
                cache_read_tokens=used.cache_read_tokens,
                cache_write_tokens=used.cache_write_tokens,
                reasoning_tokens=used.reasoning_tokens,
                cost_nanos=self._cost,
            )
        )
