"""The provider `google`: what its stream means, and how it ends where it breaks."""

import json
from typing import Any

import pytest

from parlance import errors
from parlance.v1.llm_service_pb2 import Citation, Finish, ToolCall, VendorState
from services.llm.provider import Reasoning, Usage, Value, words_of
from tests.unit import google_streams as stream
from tests.unit.google_streams import SIGNATURE, call, chunk, grounding, part, thought, usage
from tests.unit.vendor_wire import OFFERED, Vendor, asking, read

pytest.importorskip("google.genai", reason="the extra `llm` is not installed")

from google import genai

from services.llm.providers.google import Google


def connected(vendor: Vendor, **settings: str) -> Google:
    options = genai.types.HttpOptions(base_url="http://vendor", httpx_async_client=vendor.client())
    client = genai.Client(vertexai=False, api_key="k", http_options=options)
    return Google("gemini-3.8-flash", client=client, **settings)


async def values(*chunks: stream.Chunk) -> list[Value]:
    return await read(connected(Vendor(stream.wire(list(chunks)))))


async def test_text_comes_in_pieces_and_thoughts_are_told_apart_and_counted_in() -> None:
    told = usage(12, 5, thoughtsTokenCount=7, cachedContentTokenCount=4, toolUsePromptTokenCount=3)
    assert await values(
        chunk(thought("hm")),
        chunk(part("Jane ")),
        chunk(part(""), finish="STOP", usage=usage(1, 1)),
        {"usageMetadata": told},
    ) == [
        Reasoning("hm"),
        "Jane ",
        Usage(Finish.FINISH_STOP, 15, 12, cache_read_tokens=4, reasoning_tokens=7),
    ]


async def test_calls_come_whole_and_their_signatures_are_kept_where_they_were() -> None:
    thoughts, first, second, state, last = await values(
        chunk(thought("hm"), call("light", {"room": "hall"}, "c1", SIGNATURE)),
        chunk(call("time"), finish="STOP", usage=usage()),
    )
    assert thoughts == Reasoning("hm")
    assert first == ToolCall(id="c1", name="light", arguments='{"room": "hall"}')
    assert isinstance(second, ToolCall) and second.id.startswith("own-") and second.arguments == "{}"
    assert isinstance(state, VendorState) and json.loads(state.data) == [
        {"call": "c1", "signature": SIGNATURE},
        {"call": second.id},
    ]
    assert isinstance(last, Usage) and last.finish == Finish.FINISH_TOOL_CALLS


async def test_pages_that_are_rested_on_are_cited_once_though_they_come_last() -> None:
    pages = (("https://a", "A"), ("https://b", "B"), ("https://c", "C"))
    late = chunk(groundingMetadata=grounding(*pages, rested=(2, 0, 2)), usage=usage())
    assert (await values(chunk(part("so"), finish="STOP"), late))[1:-1] == [
        Citation(url="https://c", title="C"),
        Citation(url="https://a", title="A"),
    ]
    found = await values(chunk(part("so"), finish="STOP", groundingMetadata=grounding(*pages)))
    assert [v.url for v in found if isinstance(v, Citation)] == ["https://a", "https://b", "https://c"]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("STOP", Finish.FINISH_STOP),
        ("MAX_TOKENS", Finish.FINISH_LENGTH),
        ("CONTINUATION", Finish.FINISH_LENGTH),
        ("SAFETY", Finish.FINISH_REFUSAL),
        ("RECITATION", Finish.FINISH_REFUSAL),
        ("MODEL_ARMOR", Finish.FINISH_REFUSAL),
        ("SOMETHING_NEW", Finish.FINISH_STOP),
    ],
)
async def test_the_reason_to_stop_is_told(reason: str, finish: Finish.ValueType) -> None:
    last = (await values(chunk(part("x")), chunk(finish=reason, usage=usage())))[-1]
    assert isinstance(last, Usage) and last.finish == finish


async def test_a_question_that_is_blocked_is_refused_and_counted() -> None:
    assert await values(stream.blocked()) == [Usage(Finish.FINISH_REFUSAL, 7, 0)]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("MALFORMED_FUNCTION_CALL", errors.Unavailable),
        ("UNEXPECTED_TOOL_CALL", errors.Unavailable),
        ("MISSING_THOUGHT_SIGNATURE", errors.InvalidRequest),
        ("PUP_LIMITED_DISABLED", errors.PermissionDenied),
        ("OTHER", errors.Unavailable),
    ],
)
async def test_an_answer_that_is_none_is_an_error(reason: str, expected: type[errors.ParlanceError]) -> None:
    with pytest.raises(errors.ParlanceError) as caught:
        await values(chunk(part("x")), chunk(finish=reason, usage=usage()))
    assert type(caught.value) is expected


async def test_a_server_that_counts_no_tokens_is_counted_by_us() -> None:
    assert (await values(chunk(part("a ")), chunk(part("b"), finish="STOP")))[-1] == Usage(
        Finish.FINISH_STOP, words_of(asking(tools=OFFERED)), 2, estimated=True
    )


async def test_an_answer_without_a_reason_to_stop_is_not_whole() -> None:
    with pytest.raises(errors.Unavailable, match="middle"):
        await values(chunk(part("Jane "), usage=usage()))


@pytest.mark.parametrize(
    "broken",
    [[], 7, {"candidates": [7]}, {"candidates": [{"content": [1]}]}, {"candidates": [{"content": {"parts": [7]}}]}],
)
async def test_a_chunk_that_makes_no_sense_is_an_error_of_ours(broken: Any) -> None:
    with pytest.raises(errors.Unavailable, match="nobody understands"):
        await values(chunk(part("a")), broken)
    with pytest.raises(errors.Unavailable, match="nobody understands"):
        await read(connected(Vendor(stream.wire([chunk(part("a"))]) + b"data: {oops\r\n\r\n")))


@pytest.mark.parametrize(
    ("code", "status", "details", "expected"),
    [
        (400, "INVALID_ARGUMENT", [], errors.InvalidRequest),
        (400, "INVALID_ARGUMENT", [stream.reason("API_KEY_INVALID")], errors.Unauthenticated),
        (400, "FAILED_PRECONDITION", [], errors.PermissionDenied),
        (401, "UNAUTHENTICATED", [], errors.Unauthenticated),
        (403, "PERMISSION_DENIED", [], errors.PermissionDenied),
        (403, "PERMISSION_DENIED", [stream.reason("BILLING_DISABLED")], errors.QuotaExhausted),
        (404, "NOT_FOUND", [], errors.InvalidRequest),
        (429, "RESOURCE_EXHAUSTED", [], errors.RateLimited),
        (429, "RESOURCE_EXHAUSTED", [stream.quota("GenerateRequestsPerMinutePerProjectPerModel")], errors.RateLimited),
        (429, "RESOURCE_EXHAUSTED", [stream.quota("GenerateRequestsPerDayPerProject")], errors.QuotaExhausted),
        (500, "INTERNAL", [], errors.Unavailable),
        (503, "UNAVAILABLE", [], errors.Unavailable),
        (504, "DEADLINE_EXCEEDED", [], errors.Unavailable),
        (529, "SOMETHING_NEW", [], errors.Unavailable),
    ],
)
async def test_a_refusal_becomes_our_error_and_is_asked_once(
    code: int, status: str, details: list[dict[str, Any]], expected: type[errors.ParlanceError]
) -> None:
    told = stream.error(code, status, *details)
    vendor = Vendor(json.dumps(told).encode(), code)
    for asked in (read(connected(vendor)), values(chunk(part("Jane ")), told)):
        with pytest.raises(errors.ParlanceError) as caught:
            await asked
        assert type(caught.value) is expected and "private words" not in caught.value.message
    assert len(vendor.asked) == 1


@pytest.mark.parametrize("body", [b"<html>private words</html>", b"[]", b'"x"', b'{"error": "private words"}'])
async def test_a_refusal_that_nobody_understands_is_one_all_the_same(body: bytes) -> None:
    with pytest.raises(errors.ParlanceError) as caught:
        await read(connected(Vendor(body, 503)))
    assert type(caught.value) is errors.Unavailable and "private words" not in caught.value.message


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "GEMINI_API_KEY"),
        ({"base_url": "127.0.0.1:8000"}, "base_url"),
        ({"base_url": "http://127.0.0.1:8000", "colour": "red"}, "colour"),
        ({"base_url": "http://127.0.0.1:8000", "thinking": "much"}, "thinking"),
        ({"api_key": "a b"}, "key"),
        ({"project": "p"}, "location"),
    ],
)
def test_a_route_that_does_not_say_enough_is_told_what_is_missing(settings: dict[str, str], said: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=said):
        Google("m", **settings)
    with pytest.raises(errors.InvalidRequest, match="google:MODEL"):
        Google("", **settings)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"api_key": "k"}, "https://generativelanguage.googleapis.com/v1/models/m"),
        (
            {"base_url": "http://127.0.0.1:8000/gemini", "api_version": "v1beta"},
            "http://127.0.0.1:8000/gemini/v1beta/models/m",
        ),
        (
            {"project": "p", "location": "europe-west1", "api_key": "k"},
            "https://europe-west1-aiplatform.googleapis.com/v1beta1/projects/p/locations/europe-west1/publishers/google/models/m",
        ),
    ],
)
async def test_each_door_has_its_address(settings: dict[str, str], url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    vendor = Vendor(stream.wire([chunk(part("a"), finish="STOP")]))
    client = vendor.client()
    monkeypatch.setattr("services.llm.providers.http.client", lambda **settings: client)
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GEMINI_API_KEY", "somebody's")
    provider = Google("m", **settings)
    await read(provider)
    await provider.aclose()
    (request,) = vendor.requests
    assert str(request.url) == f"{url}:streamGenerateContent?alt=sse"
    assert provider.destination == request.url.netloc.decode() and client.is_closed
    assert request.headers.get("x-goog-api-key") != "somebody's"
