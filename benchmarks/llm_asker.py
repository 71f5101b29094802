"""Asks the llm process over gRPC, as dialogue does, and takes the time."""

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from benchmarks.llm_child import Child
from benchmarks.llm_wire import Order
from parlance import clock, ids
from parlance.errors import ParlanceError
from parlance.rpc import Call, one
from parlance.rpc_grpc import GrpcCarrier
from parlance.v1.llm_service_pb2 import AnswerRequest, CancelRequest, ChatMessage, Role
from parlance.v1.turn_pb2 import Header

# As a turn has it (seconds).
DEADLINE_S = 30
# Tier.PARTNER, so that nobody is asked for consent here.
_CEILING = "TIER_PARTNER"


@dataclass(slots=True)
class Heard:
    """`began`, `first`: seconds of perf_counter; `late_ms`: of pieces that are clocks, how long each was under way."""

    began: float = 0.0
    first: float = 0.0
    text: list[str] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    providers: list[str] = field(default_factory=list)
    finished: bool = False

    @property
    def first_ms(self) -> float:
        return (self.first - self.began) * 1000


class Asker:
    """`async with`; `llm`: the process of benchmarks/llm_server.py."""

    def __init__(self, llm: Child) -> None:
        self.llm = llm

    async def __aenter__(self) -> "Asker":
        self.carrier = GrpcCarrier({"Llm": f"127.0.0.1:{self.llm.told['port']}"})
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.carrier.stop()

    async def route(self, *targets: str, first_ms: int = 0) -> None:
        """`first_ms`: what the first target may take to its first token."""
        made: list[dict[str, Any]] = [{"target": target} for target in targets]
        made[0]["firstMs"] = first_ms
        rule = {"name": "bench", "targets": made, "ceiling": _CEILING}
        await self.llm.ask(route={"stage": "llm", "version": "v1", "rules": [rule]})

    async def ask(self, order: Order, call: Call | None = None, started: asyncio.Event | None = None) -> Heard:
        """The whole answer; `started` is set with its first piece."""
        heard = Heard(time.perf_counter())
        async with aclosing(self.carrier.ask("Llm.Answer", asking(order), call or made_call())) as parts:
            async for part in parts:
                kind = part.WhichOneof("part")
                if kind == "text":
                    heard.first = heard.first or time.perf_counter()
                    heard.text.append(part.text)
                    if order.clock:
                        heard.late_ms.append((time.monotonic_ns() - int(part.text)) / 1e6)
                    if started is not None:
                        started.set()
                elif kind == "began":
                    heard.providers.append(part.began.provider)
                heard.finished = heard.finished or kind == "finished"
        return heard

    async def cancelled(self, order: Order, call: Call, after_s: float) -> int:
        """Asks, cancels so long after the first piece, and waits for both; gives the moment of the cancel (ns)."""
        started = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(self._until_cancelled(order, call, started))
            await started.wait()
            await asyncio.sleep(after_s)
            moment = time.monotonic_ns()
            await one(self.carrier.ask("Llm.Cancel", CancelRequest(call_id=call.id), made_call()))
            await asked
        return moment

    async def _until_cancelled(self, order: Order, call: Call, started: asyncio.Event) -> None:
        try:
            await self.ask(order, call, started)
        except ParlanceError:
            return
        raise RuntimeError("an answer without end has ended")


def asking(order: Order) -> AnswerRequest:
    system = ChatMessage(role=Role.ROLE_SYSTEM, text="You are a voice assistant. Answer in short sentences.")
    return AnswerRequest(messages=[system, ChatMessage(role=Role.ROLE_USER, text=order.question())])


def made_call() -> Call:
    deadline_us = clock.now_us() + DEADLINE_S * 1_000_000
    turn = ids.new()
    header = Header(event_id=turn, turn_id=turn, session_id="s1", user_id="anna", deadline_us=deadline_us)
    return Call(ids.new(), header, asyncio.get_running_loop().time() + DEADLINE_S)
