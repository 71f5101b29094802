"""Every vendor's provider against every fault that the emulators have: one right outcome each."""

import asyncio
from contextlib import aclosing

import pytest

from parlance import errors
from parlance.v1.llm_service_pb2 import Tool
from services.llm.provider import Value
from tests.contract.llm_emulated import given, pairs, question, started, upstream
from tests.contract.llm_upstreams import TEXT, Upstream
from tests.contract.llm_vendors import Vendor, connected

pytest.importorskip("llmock", reason="the extra `dev` is not installed")

__all__ = ["started", "upstream"]

OUTCOMES: dict[str, type[errors.ParlanceError]] = {
    "busy": errors.RateLimited,
    "limited": errors.RateLimited,
    "spent": errors.QuotaExhausted,
    "overloaded": errors.Unavailable,
    "broken": errors.Unavailable,
    "dropped": errors.Unavailable,
    "down": errors.Unavailable,
    "no key": errors.Unauthenticated,
    "no right": errors.PermissionDenied,
    "no model": errors.InvalidRequest,
    "hung up": errors.Unavailable,
    "truncated": errors.Unavailable,
    "disconnected": errors.Unavailable,
    "malformed": errors.Unavailable,
    "torn call": errors.Unavailable,
    "unknown tool": errors.Unavailable,
}
# These had begun to answer.
BEGUN = ("truncated", "disconnected")
LIGHT = Tool(name="light", parameters='{"type": "object", "properties": {"room": {"type": "string"}}}')


@pairs(*OUTCOMES)
async def test_a_fault_is_told_for_what_it_is_and_nothing_is_tried_again(
    case: str, vendor: Vendor, upstream: Upstream
) -> None:
    tools = [LIGHT] if case in ("torn call", "unknown tool") else []
    async with asyncio.timeout(20):
        found = await given(vendor, upstream, question(upstream.tell(case), tools=tools))
    assert type(found.error) is OUTCOMES[case]
    assert found.error.retryable == (OUTCOMES[case] in (errors.Unavailable, errors.RateLimited))
    assert "private words" not in found.error.message and "please" not in found.error.message
    # What was said stays said; whoever booked nothing has to estimate, and nobody says that it was whole.
    assert TEXT.startswith(found.text) and found.text != TEXT and not found.usages
    assert found.meter.requests == upstream.asked() == 1 and found.meter.sent
    if case in BEGUN and upstream.name == "llmock":
        assert found.text and found.meter.received > len(found.text)


@pairs("stalled", "silent")
async def test_one_that_says_no_more_is_left_and_its_socket_closed(
    case: str, vendor: Vendor, upstream: Upstream
) -> None:
    said: list[Value] = []
    async with connected(vendor, upstream) as provider:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1), aclosing(provider.answer(question(upstream.tell(case)))) as values:
                async for value in values:
                    said.append(value)
        if case == "stalled":  # it tells of a request when it is done with it, and looks for us only between chunks
            assert await asyncio.wait_for(asyncio.to_thread(upstream.asked), 10) == 1
    assert TEXT.startswith("".join(map(str, said)))
    # aimock stops before the first words where a vendor's stream begins with others.
    assert bool(said) == (case == "stalled") or upstream.name == "aimock"


@pairs("plain")
async def test_many_at_once_are_counted_each_on_its_own(case: str, vendor: Vendor, upstream: Upstream) -> None:
    if upstream.name == "llmock":
        upstream.call("POST", "/_llmock/reset", {})
        upstream.call("POST", "/_llmock/scenario", {"behaviors": [{"type": "reply", "text": TEXT, "times": None}]})
    asked = question(f"{case}, please")
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(given(vendor, upstream, asked)) for _ in range(10)]
    found = [task.result() for task in tasks]
    assert {f.text for f in found} == {TEXT} and len({f.meter.sent for f in found}) == 1
    assert all(f.meter.requests == 1 and f.meter.whole for f in found)
