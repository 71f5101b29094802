"""The gateway's door to routes and language models: who is asked there, in whose name, and who may go away."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from parlance.bus_journal import JournalBus
from parlance.errors import InvalidRequest
from parlance.events import EVENT_CLASSES, topic_of
from parlance.history import History
from parlance.privacy import Keys, Sealing
from parlance.routes import Routes
from parlance.rpc import Call, one
from parlance.rpc_direct import DirectCarrier
from parlance.v1.control_pb2 import RouteSet
from parlance.v1.gateway_service_pb2 import (
    AskModelRequest,
    ExplainAnswerRequest,
    SetRouteRequest,
    UndoRouteRequest,
)
from parlance.v1.llm_service_pb2 import (
    AnswerFinished,
    AnswerRequest,
    AnswerResponse,
    CancelRequest,
    CancelResponse,
    ChatMessage,
    CheckLlmRouteRequest,
    CheckLlmRouteResponse,
    ConsentNeeded,
    ExplainRequest,
    ExplainResponse,
)
from parlance.v1.turn_pb2 import Header, Label
from services.gateway.parts import Parts
from services.gateway.service import GatewayService

STRANGER = Call("theirs", Header(user_id="mallory", turn_id="t"))


class Llm:
    """`vendor`: whose word it asks for unless the request has it; `waits`: it never ends."""

    def __init__(self) -> None:
        self.asked: list[tuple[AnswerRequest, Call]] = []
        self.cancelled: list[str] = []
        self.vendor, self.waits, self.refuses = "", False, ""

    async def answer(self, request: AnswerRequest, call: Call) -> AsyncGenerator[AnswerResponse, None]:
        self.asked.append((request, call))
        if self.vendor and self.vendor not in request.consents:
            yield AnswerResponse(consent_needed=ConsentNeeded(vendor=self.vendor))
            return
        yield AnswerResponse(text="a quark ")
        if self.waits:
            await asyncio.Event().wait()
        yield AnswerResponse(text="is small")
        yield AnswerResponse(finished=AnswerFinished(output_tokens=4))

    async def cancel(self, request: CancelRequest, call: Call) -> AsyncGenerator[CancelResponse, None]:
        self.cancelled.append(request.call_id)
        yield CancelResponse()

    async def explain(self, request: ExplainRequest, call: Call) -> AsyncGenerator[ExplainResponse, None]:
        yield ExplainResponse(target=f"{call.header.user_id} asks {request.request.messages[0].text}")

    async def check_llm_route(
        self, request: CheckLlmRouteRequest, call: Call
    ) -> AsyncGenerator[CheckLlmRouteResponse, None]:
        if request.route.target == self.refuses:
            raise InvalidRequest(f"{self.refuses} cannot run here")
        yield CheckLlmRouteResponse()


@pytest.fixture
def llm() -> Llm:
    return Llm()


@pytest.fixture
async def gateway(tmp_path: Path, llm: Llm) -> AsyncIterator[GatewayService]:
    bus, sealing = JournalBus(tmp_path / "journal.db"), Sealing(Keys(tmp_path / "keys.json"))
    bus.declare([topic_of(cls) for cls in EVENT_CLASSES])
    await bus.start()
    routes = Routes(bus)
    await routes.start()
    carrier: Any = DirectCarrier({"Llm": llm})
    yield GatewayService(Parts(bus, sealing, carrier, routes, History(bus, sealing), user_id="anna"))
    await routes.stop()
    await bus.stop()


def question(**fields: Any) -> AskModelRequest:
    return AskModelRequest(request=AnswerRequest(messages=[ChatMessage(text="what is a quark")], **fields))


async def said(gateway: GatewayService, request: AskModelRequest) -> list[str]:
    parts = [r.part async for r in gateway.ask_model(request, STRANGER)]
    return [p.text or str(p.WhichOneof("part")) for p in parts]


def put(target: str, replaces: str = "") -> SetRouteRequest:
    return SetRouteRequest(route=RouteSet(stage="llm", target=target, brings_back="v9"), replaces=replaces)


async def test_an_answer_comes_in_pieces_under_the_owners_name_and_a_call_of_its_own(
    gateway: GatewayService, llm: Llm
) -> None:
    for _ in range(2):
        assert await said(gateway, question(label=Label.LABEL_DEVICE_ONLY)) == ["a quark ", "is small", "finished"]
    (_, one_call), (_, other) = llm.asked
    assert one_call.header.user_id == "anna" and one_call.id not in ("", "theirs", other.id)
    assert one_call.header.label == Label.LABEL_DEVICE_ONLY and one_call.header.deadline_us > 0
    assert not llm.cancelled


async def test_whoever_asks_for_a_model_lets_its_vendor_see_the_question(gateway: GatewayService, llm: Llm) -> None:
    llm.vendor = "openai"
    assert (await said(gateway, question(target="openai:gpt-6-luna")))[0] == "a quark "
    assert list(llm.asked[0][0].consents) == ["openai"]


async def test_a_vendor_of_another_name_than_its_provider_is_told_by_llm(gateway: GatewayService, llm: Llm) -> None:
    llm.vendor = "acme"
    assert (await said(gateway, question(target="compatible:acme-1"))) == ["a quark ", "is small", "finished"]
    assert [list(request.consents) for request, _ in llm.asked] == [["compatible"], ["compatible", "acme"]]


async def test_without_a_model_nobody_agrees_for_the_user(gateway: GatewayService, llm: Llm) -> None:
    llm.vendor = "openai"
    assert await said(gateway, question()) == ["consent_needed"]
    assert len(llm.asked) == 1


async def test_a_model_is_stopped_where_its_asker_goes_away(gateway: GatewayService, llm: Llm) -> None:
    llm.waits = True
    pieces = gateway.ask_model(question(), STRANGER)
    assert (await anext(pieces)).part.text == "a quark "
    await pieces.aclose()
    assert llm.cancelled == [llm.asked[0][1].id]


async def test_an_explanation_is_that_of_the_owners_question(gateway: GatewayService) -> None:
    request = ExplainAnswerRequest(explain=ExplainRequest(request=question().request))
    told = await one(gateway.explain_answer(request, STRANGER))
    assert told.explained.target == "anna asks what is a quark"


async def test_a_route_replaces_the_version_that_was_looked_at_and_is_brought_back(gateway: GatewayService) -> None:
    call = STRANGER
    first = (await one(gateway.set_route(put("scripted:a"), call))).route
    assert (first.version, first.brings_back) == ("v1", "")
    with pytest.raises(InvalidRequest, match="llm is v1 by now"):
        await one(gateway.set_route(put("scripted:b", "v0"), call))
    await one(gateway.set_route(put("scripted:b", "v1"), call))
    undone = (await one(gateway.undo_route(UndoRouteRequest(stage="llm"), call))).route
    assert (undone.target, undone.version, undone.brings_back) == ("scripted:a", "v3", "v1")


async def test_what_the_stage_refuses_is_neither_set_nor_brought_back(gateway: GatewayService, llm: Llm) -> None:
    llm.refuses = "scripted:a"
    with pytest.raises(InvalidRequest, match="cannot run here"):
        await one(gateway.set_route(put("scripted:a"), STRANGER))
    llm.refuses = ""
    for target in ("scripted:a", "scripted:b"):
        await one(gateway.set_route(put(target), STRANGER))
    llm.refuses = "scripted:a"
    with pytest.raises(InvalidRequest, match="cannot run here"):
        await one(gateway.undo_route(UndoRouteRequest(stage="llm"), STRANGER))
    with pytest.raises(InvalidRequest, match="no routes for 'intnt'"):
        await one(gateway.undo_route(UndoRouteRequest(stage="intnt"), STRANGER))
