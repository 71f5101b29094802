"""The door: Converse, and what an operator or a page wants to know."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from parlance import clock, ids, metrics
from parlance.errors import InvalidRequest, Unavailable
from parlance.events import topic_of, wrap
from parlance.outgoing import record_of
from parlance.rpc import Call, one
from parlance.v1.context_service_pb2 import ContextImportRequest
from parlance.v1.gateway_service_pb2 import (
    AskModelRequest,
    AskModelResponse,
    ConverseRequest,
    ConverseResponse,
    ExplainAnswerRequest,
    ExplainAnswerResponse,
    GetStatsRequest,
    GetStatsResponse,
    GetTurnRequest,
    GetTurnResponse,
    GetUsageRequest,
    GetUsageResponse,
    ImportRequest,
    ImportResponse,
    ListEgressRequest,
    ListEgressResponse,
    ListRoutesRequest,
    ListRoutesResponse,
    ListTurnsRequest,
    ListTurnsResponse,
    SetConsentRequest,
    SetConsentResponse,
    SetRouteRequest,
    SetRouteResponse,
    UndoRouteRequest,
    UndoRouteResponse,
)
from parlance.v1.ledger_service_pb2 import SummariseRequest
from parlance.v1.session_pb2 import GatewayStarted, SessionEvent, TurnInterrupted
from parlance.v1.turn_pb2 import Header
from services.gateway import models, money, routes, standstill
from services.gateway.device import HEAR_US, Device
from services.gateway.orphans import unheard
from services.gateway.parts import Parts
from services.gateway.sessions import Sessions

REPLIES = "reply.v1"
_MAX_DEVICES = 1000


class GatewayService:
    """Between `run`'s start and its end it takes conversations."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._group: asyncio.TaskGroup | None = None
        self._sessions: Sessions | None = None
        self._devices: set[Device] = set()

    async def run(self, ready: asyncio.Event) -> None:
        parts = self._parts
        async with asyncio.TaskGroup() as group:
            self._group, self._sessions = group, Sessions(parts, group)
            door = group.create_task(self._sessions.door.run())
            watch = group.create_task(standstill.watch(self._devices, self._sessions))
            metrics.gauge("parlance_open_sessions", "Conversations that are open here.", lambda: len(self._devices))
            subscription = parts.bus.subscribe(None, [REPLIES], self._sessions.deliver, partitions=[parts.slot])
            try:
                await self._say_that_it_started()
                for header in await unheard(parts, clock.now_us() - HEAR_US):
                    self._sessions.tell(header, TurnInterrupted())
                ready.set()
                await asyncio.Event().wait()
            finally:
                door.cancel()
                watch.cancel()
                for device in list(self._devices):
                    device.close()
                await subscription.stop()

    async def _say_that_it_started(self) -> None:
        """On every partition, for whoever owns a session may think that a device of it is here."""
        slot = self._parts.slot
        for partition in range(topic_of(SessionEvent).partitions):
            header = Header(event_id=ids.new(), reply_partition=slot, accepted_at_us=clock.now_us())
            out = record_of(wrap(SessionEvent, header, GatewayStarted()), self._parts.sealing.seal)
            out.partition = partition
            await self._parts.bus.publish(out)

    def drain(self) -> None:
        """Clients that come back go on with another gateway."""
        for device in list(self._devices):
            device.drain()

    async def converse(
        self, requests: AsyncIterator[ConverseRequest], call: Call
    ) -> AsyncGenerator[ConverseResponse, None]:
        first = await anext(requests, None)
        if first is None or first.WhichOneof("message") != "hello":
            raise InvalidRequest("the first message of a conversation is hello")
        if self._group is None or self._sessions is None:
            raise Unavailable("the gateway is still starting; try again in a second")
        if len(self._devices) >= _MAX_DEVICES:
            raise Unavailable(f"{_MAX_DEVICES} conversations are open, which is the limit; try again later")
        device = Device(first.hello, self._sessions)
        self._devices.add(device)
        listening = self._group.create_task(device.run(requests))
        try:
            async with aclosing(device.outbox.drain()) as messages:
                async for message in messages:
                    yield message
        finally:
            listening.cancel()
            self._devices.discard(device)
            device.close()
            await asyncio.wait([listening])  # it reads what its caller closes next

    async def list_turns(self, request: ListTurnsRequest, call: Call) -> AsyncGenerator[ListTurnsResponse, None]:
        yield ListTurnsResponse(turns=await self._parts.history.newest(request.limit or 20))

    async def get_turn(self, request: GetTurnRequest, call: Call) -> AsyncGenerator[GetTurnResponse, None]:
        yield await self._parts.history.turn(request.turn_id)

    async def list_routes(self, request: ListRoutesRequest, call: Call) -> AsyncGenerator[ListRoutesResponse, None]:
        yield ListRoutesResponse(routes=self._parts.routes.all(), rehearsal=self._parts.rehearsal)

    async def set_route(self, request: SetRouteRequest, call: Call) -> AsyncGenerator[SetRouteResponse, None]:
        yield SetRouteResponse(route=await routes.put(self._parts, request.route, request.replaces, self._owner()))

    async def undo_route(self, request: UndoRouteRequest, call: Call) -> AsyncGenerator[UndoRouteResponse, None]:
        yield UndoRouteResponse(route=await routes.undo(self._parts, request.stage, self._owner()))

    async def explain_answer(
        self, request: ExplainAnswerRequest, call: Call
    ) -> AsyncGenerator[ExplainAnswerResponse, None]:
        yield ExplainAnswerResponse(explained=await models.explained(self._parts, request.explain, self._owner()))

    async def ask_model(self, request: AskModelRequest, call: Call) -> AsyncGenerator[AskModelResponse, None]:
        async with aclosing(models.asked(self._parts, request.request, self._owner())) as pieces:
            async for part in pieces:
                yield AskModelResponse(part=part)

    async def import_(self, request: ImportRequest, call: Call) -> AsyncGenerator[ImportResponse, None]:
        asked = {"import": request}
        reply: Any = await one(
            self._parts.carrier.ask("Context.Import", ContextImportRequest(**asked), Call("", self._owner()))
        )
        yield reply.imported

    async def get_stats(self, request: GetStatsRequest, call: Call) -> AsyncGenerator[GetStatsResponse, None]:
        asked = SummariseRequest(stats=request)
        reply: Any = await one(self._parts.carrier.ask("Ledger.Summarise", asked, Call("", self._owner())))
        yield reply.stats

    async def get_usage(self, request: GetUsageRequest, call: Call) -> AsyncGenerator[GetUsageResponse, None]:
        yield await money.usage(self._parts, request, self._owner())

    async def set_consent(self, request: SetConsentRequest, call: Call) -> AsyncGenerator[SetConsentResponse, None]:
        yield SetConsentResponse(consents=await models.consents(self._parts, request.consent, self._owner()))

    async def list_egress(self, request: ListEgressRequest, call: Call) -> AsyncGenerator[ListEgressResponse, None]:
        yield await money.egress(self._parts, request, self._owner())

    def _owner(self) -> Header:
        return Header(user_id=self._parts.user_id, time_zone=self._parts.time_zone)
