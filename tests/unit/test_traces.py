"""The spans of turns that have ended, as a collector is sent them."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parlance.bus import Record
from parlance.errors import Unavailable
from parlance.events import kind
from parlance.history import Past, seen_in
from parlance.otlp import request_of, send
from parlance.telemetry import Span
from parlance.v1.reply_pb2 import Outcome, Reason
from services.ledger import traces
from services.ledger.traces import Traces
from tests.otlp_collector import Collector, collecting
from tests.unit.ledger_scene import SECRET, Log

ROOT_SPAN = "invoke_agent"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


class Bus:
    """Only what is subscribed to."""

    def subscribe(self, group: str | None, topics: Any, deliver: Any) -> "Bus":
        assert group is None
        self.deliver = deliver
        return self

    async def stop(self) -> None:
        pass


def told(span: dict[str, Any]) -> dict[str, Any]:
    return {a["key"]: plain(a["value"]) for a in span["attributes"]}


def plain(value: dict[str, Any]) -> Any:
    ((kind, told),) = value.items()
    assert isinstance(told, {"stringValue": str, "intValue": str, "doubleValue": float, "arrayValue": dict}[kind])
    return (
        [plain(each) for each in told["values"]] if kind == "arrayValue" else int(told) if kind == "intValue" else told
    )


async def traced(collector: Collector, records: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    """Delivers the records to an exporter that has not long to wait; returns when it has looked twice."""
    monkeypatch.setattr(traces, "_EVERY_S", 0.01)
    monkeypatch.setattr(traces, "_SETTLE_S", 0.0)
    bus = Bus()
    looked = 0

    class Watched(Traces):
        async def _send(self, ended_before: float) -> None:
            nonlocal looked
            await super()._send(ended_before)
            looked += 1

    async with asyncio.TaskGroup() as group:
        task = group.create_task(Watched(bus, collector.url).run())  # type: ignore[arg-type]
        await asyncio.sleep(0)
        bus.deliver(records)
        while looked < 2:
            await asyncio.sleep(0.005)
        task.cancel()


async def test_a_turn_that_has_ended_is_one_trace_with_its_services(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log.at(tmp_path)
    log.turn(1, spoken=True)
    await traced(collector, log.records, monkeypatch)
    made = collector.spans()
    assert {path for path, _, _ in collector.got} == {"/v1/traces"} and len(collector.got) == 1
    assert len({s["traceId"] for s in made}) == 1
    (root,) = [s for s in made if s["name"] == ROOT_SPAN]
    assert "parentSpanId" not in root
    known = {s["spanId"] for s in made}
    assert len(known) == len(made) and {s["parentSpanId"] for s in made if s is not root} <= known
    assert {s["service"] for s in made} >= {"gateway", "speech", "intent", "dialogue", "actions", "llm", "tts"}
    assert all(int(s["startTimeUnixNano"]) <= int(s["endTimeUnixNano"]) for s in made)


async def test_a_turn_that_failed_is_an_error_that_says_why(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log.at(tmp_path)
    log.turn(1)
    log.turn(2, outcome=Outcome.OUTCOME_FAILED, reason=Reason.REASON_DEADLINE)
    await traced(collector, log.records, monkeypatch)
    good, bad = [s for s in collector.spans() if s["name"] == ROOT_SPAN]
    assert "status" not in good and told(good)["parlance.outcome"] == "answered" and "error.type" not in told(good)
    assert bad["status"] == {"code": 2}
    assert told(bad).items() >= {"parlance.outcome": "failed", "error.type": "deadline"}.items()


async def test_spans_are_named_by_what_was_done_and_name_the_model(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log.at(tmp_path)
    log.turn(1, spoken=True)
    await traced(collector, log.records, monkeypatch)
    by_name = {s["name"]: told(s) for s in collector.spans()}
    model = {"gen_ai.provider.name": "compatible", "gen_ai.request.model": "small"}
    assert by_name["chat"].items() >= {"gen_ai.operation.name": "chat", **model}.items()
    assert by_name["speech_to_text"]["gen_ai.request.model"] == "tiny.en"
    assert by_name["text_to_speech"]["gen_ai.provider.name"] == "hibari"
    assert by_name["execute_tool"].keys() == {"gen_ai.operation.name", "parlance.event"}
    # Two attempts are two requests to a model; what is recorded of them is none.
    assert [s["name"] for s in collector.spans()].count("chat") == 2
    assert {"TurnAccepted", "IntentRecognized", "ReplyClause", "EgressRecorded", "LlmAnswered"} <= by_name.keys()


def test_a_turn_whose_reply_still_sounds_is_waited_for(tmp_path: Path) -> None:
    log = Log.at(tmp_path)
    header = log.turn(1)
    past = Past(header)
    past.seen = [seen for record in log.records if (seen := seen_in(record)) is not None]
    assert traces._settles_s(past) == 5
    past.seen = [seen for seen in past.seen if kind(seen.event) != "heard"]
    assert traces._settles_s(past) == 5 + 3


async def test_no_content_is_in_what_is_sent(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log.at(tmp_path)
    log.turn(1)
    await traced(collector, log.records, monkeypatch)
    assert collector.got and SECRET not in json.dumps(collector.got)
    assert "anna" not in json.dumps(collector.got) and "session-1" not in json.dumps(collector.got)


async def test_turns_that_are_open_or_of_a_run_are_not_sent(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log.at(tmp_path)
    log.turn(1, run="load")
    log.turn(2)
    unfinished = [r for r in log.records if r.topic != "reply.v1"]
    await traced(collector, unfinished, monkeypatch)
    assert collector.got == []


async def test_an_event_that_comes_twice_is_one_span(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log.at(tmp_path)
    log.turn(1)
    await traced(collector, log.records * 2, monkeypatch)
    made = collector.spans()
    assert len({s["spanId"] for s in made}) == len(made)


async def test_a_collector_that_refuses_costs_its_traces_and_one_warning(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    collector.status = 503
    log = Log.at(tmp_path)
    log.turn(1)
    await traced(collector, log.records, monkeypatch)
    assert caplog.text.count("1 turns are not traced") == 1


def test_a_collector_that_is_away_is_named() -> None:
    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:9 takes no spans"):
        send("http://127.0.0.1:9", [])


def test_ids_are_hex_and_times_strings_of_nanoseconds() -> None:
    span = Span("ab" * 16, "cd" * 8, "", "chat", 1_800_000_000_000_001, 1_800_000_000_000_002, {"a": "b", "c": ""})
    (resource,) = request_of([span])["resourceSpans"]
    assert resource["scopeSpans"][0]["spans"] == [
        {
            "traceId": "ab" * 16,
            "spanId": "cd" * 8,
            "name": "chat",
            "kind": 1,
            "startTimeUnixNano": "1800000000000001000",
            "endTimeUnixNano": "1800000000000002000",
            "attributes": [{"key": "a", "value": {"stringValue": "b"}}],
        }
    ]


def test_what_took_no_time_is_a_span_all_the_same() -> None:
    (resource,) = request_of([Span("ab" * 16, "cd" * 8, "", "LlmAnswered", 7, 7, {})])["resourceSpans"]
    (span,) = resource["scopeSpans"][0]["spans"]
    assert (span["startTimeUnixNano"], span["endTimeUnixNano"]) == ("7000", "7001")
