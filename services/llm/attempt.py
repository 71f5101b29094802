"""One asking of one target: its deadlines, what it said, what it used, how it ended."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from parlance import clock
from parlance.errors import ParlanceError, Unavailable, as_error
from parlance.patience import Patience
from parlance.v1.llm_pb2 import Attempt as Why
from parlance.v1.llm_service_pb2 import AnswerRequest, Finish, ToolCall
from parlance.v1.turn_pb2 import END_CANCELLED, END_COMPLETE, END_FAILED, End
from services.llm import sane
from services.llm.choice import Choice
from services.llm.meter import METER, Meter
from services.llm.provider import Provider, Reasoning, Usage, Value, words_of
from services.llm.spending import Reservation
from services.llm.words import Seam

# How long the rest of a stream is waited for whose usage is known: what follows it is a few bytes.
_REST_S = 0.25


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that a provider may take to its first token, and from one token to the next; characters of an answer:
    twenty minutes of speech, so that the fact of it and the conversation that remembers it stay small enough for the
    log."""

    first_s: float = 15.0
    next_s: float = 8.0
    characters: int = 20_000

    def of(self, choice: Choice) -> "Limits":
        """A target's own deadlines go before."""
        target = choice.target
        first, then = target.first_ms / 1000 or self.first_s, target.next_ms / 1000 or self.next_s
        return Limits(first, then, self.characters)


class PutsBack(Protocol):
    """Puts what was hidden from a partner back into its answer: into its text, which comes in pieces, and into the rest
    of what it says. `rest`: the text that had to wait; `cut`: no more of it comes, for it broke off."""

    def value(self, value: Value) -> Value: ...

    def rest(self, cut: bool = False) -> str: ...


@dataclass(slots=True, eq=False)
class Attempt:
    """`number`: how often its answer was begun before; `began`: seconds of the loop's time."""

    number: int
    why: Why.ValueType
    choice: Choice
    provider: Provider
    request: AnswerRequest
    began: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    began_us: int = field(default_factory=clock.now_us)
    meter: Meter = field(default_factory=Meter)
    # Microseconds until the first value; 0: none came.
    first_us: int = 0
    # Bytes of what was said.
    received: int = 0
    usage: Usage | None = None
    end: End.ValueType = END_CANCELLED
    error: ParlanceError | None = None
    # Where something of the request was hidden; where it goes on after what another one has said.
    puts_back: PutsBack | None = None
    reserved: Reservation | None = None
    seam: Seam | None = None
    # It was we who broke it off: the vendor may bill what it had done.
    timed_out: bool = False

    def took_us(self) -> int:
        return int((asyncio.get_running_loop().time() - self.began) * 1e6)

    async def values(self, limits: Limits) -> AsyncGenerator[Value, None]:
        """What the provider says, without its usage. Raises what it raises; Unavailable where it is silent too long, or
        does not say how it ended."""
        METER.set(self.meter)
        limit, patience = limits.first_s, Patience()
        try:
            async with aclosing(self.provider.answer(self.request)) as values:
                while (value := await patience.next(values, limit)) is not None:
                    if isinstance(value, Usage):
                        self.usage = value if sane.believable(value) else self._counted(value.finish)
                        limit = _REST_S
                        continue
                    value = sane.whole(value)
                    self._took(value)
                    yield value
                    limit = limits.next_s
        except TimeoutError as exc:  # pings keep a dead stream alive, so its deadlines are ours
            if self.usage is None:
                self.timed_out = True
                raise self._failed(Unavailable(f"the language model said nothing for {limit:g} s")) from exc
        except Exception as exc:
            if self.usage is None:
                raise self._failed(as_error(exc)) from exc
        finally:
            patience.close()
        if self.usage is None:
            raise self._failed(Unavailable("the provider ended without saying how"))
        self.end = END_COMPLETE

    def stopped(self, finish: Finish.ValueType) -> None:
        """We have heard enough of it."""
        self.usage, self.end = self._counted(finish), END_COMPLETE

    def used(self) -> Usage:
        """What it has used: as the vendor says, else as far as we can tell. A request that never left, or failed before
        it said anything, is billed by nobody."""
        if self.usage is not None:
            return self.usage
        if getattr(self.provider, "counts", False) and not self.meter.requests:
            return Usage()
        if self.end == END_FAILED and not self.first_us and not self.timed_out:
            return Usage(estimated=not self.meter.whole)
        return self._counted(Finish.FINISH_STOP)

    def _counted(self, finish: Finish.ValueType) -> Usage:
        return Usage(finish, words_of(self.request), self.received // 4, estimated=True)

    def _took(self, value: Value) -> None:
        self.first_us = self.first_us or max(1, self.took_us())
        self.received += _size(value)

    def _failed(self, error: ParlanceError) -> ParlanceError:
        self.end, self.error = END_FAILED, error
        return error


def _size(value: Value) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, Reasoning):
        return len(value.text.encode())
    return len(value.name) + len(value.arguments.encode()) if isinstance(value, ToolCall) else 0
