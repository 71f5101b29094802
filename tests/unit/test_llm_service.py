"""The service `Llm` over scripted providers: what it says, records, books, and refuses."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from parlance.errors import InvalidRequest, ParlanceError, PermissionDenied, RateLimited, Unavailable
from parlance.rpc import implemented, one
from parlance.v1.control_pb2 import LlmTarget, RouteSet
from parlance.v1.llm_service_pb2 import (
    AnswerRequest,
    AnswerResponse,
    CancelRequest,
    ChatMessage,
    CheckLlmRouteRequest,
    Role,
)
from parlance.v1.turn_pb2 import End, Label
from services.llm.attempt import Limits
from services.llm.service import LlmService
from tests.unit.llm_desk import Desk, call, own_catalogue, targets
from tests.unit.sse_server import STALL, event, serving, whole


def script(path: Path, **content: Any) -> RouteSet:
    path.write_text(json.dumps(content))
    return RouteSet(stage="llm", target="scripted:script", version="v1", settings={"file": str(path)})


def compatible(url: str, **settings: str) -> RouteSet:
    return RouteSet(stage="llm", target="compatible:tiny", version="v9", settings={"base_url": url, **settings})


async def first_text(parts: AsyncGenerator[AnswerResponse, None]) -> str:
    async for part in parts:
        if part.WhichOneof("part") == "text":
            return part.text
    return ""


def test_every_method_of_the_contract_is_there() -> None:
    assert set(implemented("Llm", LlmService)) == {
        "Answer",
        "Cancel",
        "CheckLlmRoute",
        "Explain",
        "RememberConsent",
    }


async def test_an_answer_names_its_provider_first_and_its_usage_last() -> None:
    desk = Desk()
    async with desk.service:
        began, *text, finished = await desk.ask("hello there")
    assert (began.began.provider, began.began.route_version) == ("scripted:echo", "v3")
    assert "".join(part.text for part in text) == "You said: hello there"
    assert finished.finished.output_tokens == 4 and not finished.finished.estimated


async def test_it_is_recorded_booked_and_leaves_no_trace_of_egress() -> None:
    desk = Desk()
    async with desk.service:
        await desk.ask()
    (answered,), (usage,) = desk.of("answered"), desk.of("usage")
    assert answered.answer.end == End.END_COMPLETE and answered.answer.provider == "scripted:echo"
    assert (usage.call_id, usage.provider, usage.output_tokens) == ("c1", "scripted:echo", 4)
    assert desk.of("egress") == []
    assert len({e.header.event_id for e in desk.events}) == 2
    assert {e.header.causation_id for e in desk.events} == {"e1"}


async def test_a_new_route_holds_from_the_next_answer_on_and_not_for_a_known_one() -> None:
    desk = Desk()
    async with desk.service:
        await desk.ask(call_id="c1")
        desk.route = RouteSet(stage="llm", target="unconfigured:", version="v4")
        again, other = await desk.ask(call_id="c1"), await desk.ask(call_id="c2")
    assert again[0].began.route_version == "v3" and other[0].began.route_version == "v4"


async def test_without_a_model_the_answer_says_so_and_names_the_command() -> None:
    desk = Desk(RouteSet(stage="llm", target="unconfigured:", version="v0"))
    async with desk.service:
        said = await desk.text()
    assert "no language model" in said and "parlance routes set llm" in said and len(said) < 140


async def test_a_fault_after_some_words_fails_the_answer_with_what_was_said_on_record(tmp_path: Path) -> None:
    line = {"text": "one two three", "fail_after": 2, "error": "RATE_LIMITED"}
    desk = Desk(script(tmp_path / "s.json", answers=[line]))
    async with desk.service:
        with pytest.raises(RateLimited):
            await desk.ask()
    (answered,), (usage,) = desk.of("answered"), desk.of("usage")
    assert answered.answer.end == End.END_FAILED and len(answered.answer.chunks) == 3
    assert usage.estimated and usage.output_tokens == len("one two ") // 4 and usage.input_tokens > 0


async def test_a_model_that_never_begins_is_given_up() -> None:
    desk = Desk(RouteSet(target="scripted:silent"), Limits(first_s=0.05))
    async with desk.service:
        with pytest.raises(Unavailable, match="said nothing"):
            await desk.ask()


async def test_a_model_that_stalls_between_words_is_given_up(tmp_path: Path) -> None:
    desk = Desk(script(tmp_path / "s.json", chunk_delay_s=60, answers=[{"text": "one two"}]), Limits(next_s=0.05))
    async with desk.service:
        with pytest.raises(Unavailable, match="said nothing"):
            await desk.ask()
    assert len(desk.of("answered")[0].answer.chunks) == 2


async def test_cancel_reaches_the_vendors_socket_and_books_an_estimate() -> None:
    async with serving(event("Jane Austen "), STALL) as server:
        desk = Desk(compatible(server.url))
        async with desk.service, asyncio.TaskGroup() as group:
            request = AnswerRequest(messages=[ChatMessage(role=Role.ROLE_USER, text="Who wrote Emma?")])
            parts = desk.service.answer(request, call())
            assert await first_text(parts) == "Jane Austen "
            reading = group.create_task(_failure(parts))
            reply = await one(desk.service.cancel(CancelRequest(call_id="c1"), call("c2")))
            await asyncio.wait_for(server.hung_up.wait(), 5)
            assert reply.recorded and isinstance(await reading, Unavailable)
    (answered,), (usage,), (egress,) = desk.of("answered"), desk.of("usage"), desk.of("egress")
    assert answered.answer.end == End.END_CANCELLED
    assert usage.estimated and usage.output_tokens == 3
    assert server.url == f"http://{egress.destination}/v1"
    assert list(egress.data_classes) == ["question"] and egress.cut and not egress.estimated
    assert (egress.bytes_sent, egress.bytes_received) == (server.body_sizes[0], len(event("Jane Austen ")))


async def _failure(parts: AsyncGenerator[AnswerResponse, None]) -> ParlanceError | None:
    try:
        async with aclosing(parts):
            async for _ in parts:
                pass
    except ParlanceError as exc:
        return exc
    return None


async def test_the_key_comes_from_the_variable_that_the_route_names() -> None:
    async with serving(*whole("ok")) as server:
        desk = Desk(compatible(server.url, api_key_env="HOUSE_KEY"), secrets={"HOUSE_KEY": "k1"})
        async with desk.service:
            assert await desk.text() == "ok"
    assert server.keys == ["Bearer k1"]


@pytest.mark.parametrize(
    ("target", "settings", "said"),
    [
        ("nobody:x", {}, "the catalogue does not know 'nobody:x': name a model that it knows, or write an entry"),
        ("compatible:tiny", {}, "base_url"),
        ("compatible:tiny", {"base_url": "http://127.0.0.1:1/v1", "api_key_env": "HOUSE_KEY"}, "HOUSE_KEY"),
        ("compatible:tiny", {"base_url": "http://127.0.0.1:1/v1", "api_key": "k"}, "keeps no keys.*api_key_env"),
        ("scripted:x", {"file": "/nowhere/script.json"}, "cannot be read"),
    ],
)
async def test_a_route_that_cannot_work_is_refused_before_it_is_set(
    target: str, settings: dict[str, str], said: str
) -> None:
    desk = Desk()
    asked = CheckLlmRouteRequest(route=RouteSet(stage="llm", target=target, settings=settings))
    async with desk.service:
        with pytest.raises(InvalidRequest, match=said):
            await one(desk.service.check_llm_route(asked, call()))


async def test_what_may_not_leave_the_device_is_not_asked_of_another_machine(tmp_path: Path) -> None:
    models = own_catalogue(tmp_path, house={"tier": "house"})
    desk = Desk(targets(LlmTarget(target="scripted:house")), models=models)
    async with desk.service:
        with pytest.raises(PermissionDenied, match="device"):
            await desk.ask(label=Label.LABEL_DEVICE_ONLY)
    assert desk.of("egress") == [] and desk.of("usage") == []


async def test_what_may_not_leave_the_device_is_asked_of_a_model_on_it() -> None:
    async with serving(*whole("ok")) as server:
        desk = Desk(compatible(server.url))
        async with desk.service:
            assert len(await desk.ask(label=Label.LABEL_DEVICE_ONLY)) == 3


async def test_a_name_and_password_in_the_address_stay_out_of_the_log() -> None:
    async with serving(*whole("ok")) as server:
        desk = Desk(compatible(server.url.replace("://", "://anna:secret@")))
        async with desk.service:
            await desk.ask()
    assert "secret" not in str(desk.events)


async def test_an_answer_of_an_earlier_life_is_given_again() -> None:
    before, after = Desk(), Desk(RouteSet(target="unconfigured:"))
    async with before.service:
        said = await before.text()
    async with after.service:
        for fact in before.events:
            after.service.recover(fact)
        assert await after.text() == said and after.events == []


async def test_an_answer_that_a_restart_cut_off_is_booked_beside_its_next_attempt() -> None:
    before, after = Desk(), Desk()
    async with before.service:
        parts = before.service.answer(AnswerRequest(messages=[ChatMessage(text="one two three")]), call())
        assert (await anext(parts)).began.provider and await first_text(parts)
        reading = asyncio.create_task(anext(parts))
        await asyncio.sleep(0)
        reading.cancel()
    assert [e.WhichOneof("event") for e in before.events] == ["usage"]
    async with after.service:
        after.service.recover(before.events[0])
        await after.text()
    (first,), (second,) = before.of("usage"), after.of("usage")
    assert (first.call_id, first.attempt) == ("c1", 0) and (second.call_id, second.attempt) == ("c1", 1)
    assert before.events[0].header.event_id not in {e.header.event_id for e in after.events}
    assert second.took_us >= second.first_us > 0 and second.began_at_us > 0 and second.route_version == "v3"


async def test_two_replicas_that_are_asked_one_call_send_two_bills() -> None:
    asked, elsewhere = Desk(), Desk()
    for rank, desk in enumerate((asked, elsewhere)):
        request = AnswerRequest(messages=[ChatMessage(text="one two three")])
        async with desk.service:
            parts = desk.service.answer(request, replace(call(), rank=rank))
            assert [part.text async for part in parts if part.text]
    (first,), (second,) = asked.of("usage"), elsewhere.of("usage")
    assert first.call_id == second.call_id and first.attempt != second.attempt
    of_usage = [next(e for e in desk.events if e.HasField("usage")).header.event_id for desk in (asked, elsewhere)]
    assert len(set(of_usage)) == 2
