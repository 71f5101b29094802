"""The provider `anthropic`: what its stream means, and how it ends where it breaks."""

import json
from typing import Any

import pytest

from parlance import errors
from parlance.v1.llm_service_pb2 import ChatMessage, Citation, Finish, Role, ToolCall, VendorState
from services.llm.provider import Reasoning, Usage, Value
from tests.unit import anthropic_streams as stream
from tests.unit.vendor_wire import Vendor, asking, read

pytest.importorskip("anthropic", reason="the extra `llm` is not installed")

import anthropic as sdk

from services.llm.providers.anthropic import Anthropic


def connected(vendor: Vendor, **settings: str) -> Anthropic:
    client = sdk.AsyncAnthropic(
        api_key="k", base_url="http://vendor", http_client=vendor.client(), max_retries=0, open_telemetry=False
    )
    return Anthropic("claude-haiku-5-5", client=client, **settings)


async def values(*events: stream.Event, usage: dict[str, Any] | None = None) -> list[Value]:
    return await read(connected(Vendor(stream.wire([stream.start(usage), *events]))))


async def test_text_comes_in_pieces_and_the_usage_counts_what_was_cached() -> None:
    assert await values(*stream.text(0, "Jane ", "", "Austen."), *stream.end()) == [
        "Jane ",
        "Austen.",
        Usage(Finish.FINISH_STOP, 442, 57, cache_read_tokens=400, cache_write_tokens=30),
    ]


async def test_what_the_cache_keeps_for_an_hour_is_counted_apart() -> None:
    kept = {"cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20}}
    last = (await values(*stream.text(0, "Yes."), *stream.end(), usage={"cache_creation_input_tokens": 30, **kept}))[-1]
    assert isinstance(last, Usage) and (last.cache_write_tokens, last.cache_write_1h_tokens) == (30, 20)


async def test_thoughts_are_told_apart_and_what_is_signed_is_kept_where_it_is_wanted_back() -> None:
    thought = [*stream.thinking(0, "hm, ", "so"), *stream.redacted(1), *stream.text(2, "Wait.")]
    *_, call, state, last = await values(
        *thought,
        *stream.tool(3, "look", '{"a":', " 1}"),
        *stream.end("tool_use", output_tokens_details={"thinking_tokens": 9}),
    )
    assert isinstance(call, ToolCall) and isinstance(state, VendorState)
    assert json.loads(state.data) == [
        {"type": "thinking", "thinking": "hm, so", "signature": "EqQBCg=="},
        {"type": "redacted_thinking", "data": "EmwKAhgB"},
        {"text": 5},
        {"call": "toolu_03"},
    ]
    assert isinstance(last, Usage) and last.reasoning_tokens == 9
    assert (await values(*thought, *stream.end()))[:-1] == [Reasoning("hm, "), Reasoning("so"), "Wait."]


async def test_calls_come_whole_and_in_parallel() -> None:
    found = await values(
        *stream.tool(0, "light", '{"room', '": "hall"}'), *stream.tool(1, "time"), *stream.end("tool_use")
    )
    assert found[:-1] == [
        ToolCall(id="toolu_00", name="light", arguments='{"room": "hall"}'),
        ToolCall(id="toolu_01", name="time", arguments="{}"),
    ]
    assert isinstance(found[-1], Usage) and found[-1].finish == Finish.FINISH_TOOL_CALLS


async def test_a_call_that_was_cut_off_is_none() -> None:
    torn = stream.tool(1, "light", '{"room')
    assert (await values(*stream.text(0, "Yes."), *torn, *stream.end("max_tokens")))[:-1] == ["Yes."]
    with pytest.raises(errors.Unavailable, match="nobody understands"):
        await values(*torn, *stream.end("tool_use"))


async def test_a_call_that_nobody_said_is_whole_is_not_lost() -> None:
    *unended, _ = stream.tool(0, "light", "{}")
    assert (await values(*unended, *stream.end("tool_use")))[0] == ToolCall(id="toolu_00", name="light", arguments="{}")


async def test_each_page_is_cited_once_and_what_was_found_is_kept_only_for_what_goes_on() -> None:
    page = ("https://a.example/emma", "Emma")
    found = [
        *stream.search(0, "emma", page),
        *stream.cited(2, "Jane Austen", page),
        *stream.cited(3, ".", page, ("u", "t")),
    ]
    assert (await values(*found, *stream.end()))[:-1] == [
        Citation(url=page[0], title=page[1]),
        "Jane Austen",
        Citation(url="u", title="t"),
        ".",
    ]
    *_, state, usage = await values(*found, *stream.end("pause_turn"))
    assert isinstance(usage, Usage) and usage.finish == Finish.FINISH_PAUSED
    assert isinstance(state, VendorState) and b"encrypted_content" in state.data


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", Finish.FINISH_STOP),
        ("stop_sequence", Finish.FINISH_STOP),
        ("max_tokens", Finish.FINISH_LENGTH),
        ("refusal", Finish.FINISH_REFUSAL),
        ("pause_turn", Finish.FINISH_PAUSED),
        ("model_context_window_exceeded", Finish.FINISH_CONTEXT_FULL),
        ("something_new", Finish.FINISH_STOP),
    ],
)
async def test_the_reason_to_stop_is_told(stop: str, finish: Finish.ValueType) -> None:
    usage = (await values(*stream.text(0, "x"), *stream.end(stop)))[-1]
    assert isinstance(usage, Usage) and usage.finish == finish


async def test_a_server_that_counts_no_tokens_is_counted_by_us() -> None:
    told, stop = stream.end()
    del told["usage"]
    usage = (await values(*stream.text(0, "a ", "b"), told, stop, usage={}))[-1]
    assert usage == Usage(Finish.FINISH_STOP, 7, 2, estimated=True)


@pytest.mark.parametrize("left_out", [1, 2])
async def test_an_answer_without_its_last_event_is_not_whole(left_out: int) -> None:
    events = [*stream.text(0, "Jane "), *stream.end()]
    with pytest.raises(errors.Unavailable, match="middle"):
        await values(*events[:-left_out])


@pytest.mark.parametrize(
    "event",
    [
        {"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": "x"}},
        {"type": "content_block_delta", "index": 0},
        {"type": "content_block_start", "index": 0, "content_block": None},
        {"type": "message_start"},
        [],
        {},
    ],
)
async def test_an_event_that_makes_no_sense_is_an_error_of_ours(event: Any) -> None:
    body = stream.wire([stream.start(), *stream.text(0, "a")[:-1]]) + f"data: {json.dumps(event)}\n\n".encode()
    with pytest.raises(errors.Unavailable, match="nobody understands"):
        await read(connected(Vendor(body)))


async def test_what_is_not_known_yet_is_passed_over() -> None:
    new = [{"type": "something_new"}, *stream.block(1, {"type": "new_block", "x": 1}, {"type": "new_delta"})]
    assert (await values(*stream.text(0, "a"), *new, *stream.end()))[0] == "a"


@pytest.mark.parametrize(
    ("kind", "code", "expected"),
    [
        ("overloaded_error", "", errors.Unavailable),
        ("api_error", "", errors.Unavailable),
        ("rate_limit_error", "", errors.RateLimited),
        ("rate_limit_error", "enforced_spend_limit_reached", errors.QuotaExhausted),
        ("invalid_request_error", "", errors.InvalidRequest),
        ("something_new", "", errors.Unavailable),
    ],
)
async def test_an_error_inside_the_stream_has_the_status_of_none(
    kind: str, code: str, expected: type[errors.ParlanceError]
) -> None:
    with pytest.raises(errors.ParlanceError) as caught:
        await values(*stream.text(0, "Jane "), stream.error(kind, code))
    assert type(caught.value) is expected and "private words" not in caught.value.message


@pytest.mark.parametrize(
    ("status", "kind", "code", "expected"),
    [
        (400, "invalid_request_error", "", errors.InvalidRequest),
        (400, "invalid_request_error", "image_dimensions_too_large", errors.InvalidRequest),
        (401, "authentication_error", "", errors.Unauthenticated),
        (402, "billing_error", "", errors.QuotaExhausted),
        (403, "permission_error", "organization_on_hold", errors.PermissionDenied),
        (404, "not_found_error", "", errors.InvalidRequest),
        (413, "request_too_large", "", errors.InvalidRequest),
        (429, "rate_limit_error", "", errors.RateLimited),
        (429, "rate_limit_error", "ramp_limit_exceeded", errors.RateLimited),
        (429, "rate_limit_error", "contract_spend_limit_reached", errors.QuotaExhausted),
        (500, "api_error", "", errors.Unavailable),
        (504, "timeout_error", "", errors.Unavailable),
        (529, "overloaded_error", "", errors.Unavailable),
        (503, "", "", errors.Unavailable),
    ],
)
async def test_a_refusal_becomes_our_error_and_is_asked_once(
    status: int, kind: str, code: str, expected: type[errors.ParlanceError]
) -> None:
    body = json.dumps(stream.error(kind, code)).encode() if kind else b"<html>private words</html>"
    vendor = Vendor(body, status)
    with pytest.raises(errors.ParlanceError) as caught:
        await read(connected(vendor))
    assert type(caught.value) is expected and "private words" not in caught.value.message
    assert len(vendor.asked) == 1


async def test_a_question_is_needed() -> None:
    with pytest.raises(errors.InvalidRequest, match="question"):
        await read(connected(Vendor(b"")), asking(ChatMessage(role=Role.ROLE_SYSTEM, text="Be short.")))
