"""An answer as OpenAI's Responses stream it: only the events that are needed."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from parlance.errors import Unavailable
from parlance.v1.llm_service_pb2 import AnswerRequest, Citation, Finish, ToolCall, VendorState
from services.llm.provider import Reasoning, Usage, Value, words_of
from services.llm.providers.openai_client import in_stream
from services.llm.providers.responses_request import most
from services.llm.providers.tool_names import ToolNames


class ResponsesAnswer:
    """`values` of each event in turn. Raises parlance.errors, or what reading an event that is none raises (ValueError,
    LookupError, TypeError, AttributeError)."""

    def __init__(self, request: AnswerRequest, names: ToolNames) -> None:
        self._request, self._names = request, names
        # A thought that waits for what it leads to, and those that are wanted back if tools are called.
        self._thought: dict[str, Any] | None = None
        self._kept: list[VendorState] = []
        # Items whose text came in pieces, and those that were here whole.
        self._heard: set[str] = set()
        self._whole: set[str] = set()
        self._cited: set[str] = set()
        self._pieces = 0
        self._called = self._refused = False
        # The vendor's last event was here.
        self.over = False

    def values(self, event: dict[str, Any]) -> Iterator[Value]:
        read = _READ.get(event.get("type", ""))
        if read is not None:
            yield from read(self, event)
        elif event.get("error"):
            raise in_stream(event["error"])

    def check(self) -> None:
        """After the last event."""
        if not self.over:
            raise Unavailable("the model's server ended its answer in the middle")

    def _text(self, event: dict[str, Any]) -> Iterator[Value]:
        if event["delta"]:
            self._heard.add(event["item_id"])
            self._pieces += 1
            yield event["delta"]

    def _refusal(self, event: dict[str, Any]) -> Iterator[Value]:
        self._refused = True
        return self._text(event)

    def _reasoning(self, event: dict[str, Any]) -> Iterator[Value]:
        if event["delta"]:
            yield Reasoning(event["delta"])

    def _part(self, event: dict[str, Any]) -> Iterator[Value]:
        if event.get("summary_index"):
            yield Reasoning("\n\n")

    def _annotation(self, event: dict[str, Any]) -> Iterator[Value]:
        yield from self._cite([event.get("annotation") or {}])

    def _item(self, event: dict[str, Any]) -> Iterator[Value]:
        yield from self._take(event["item"])

    def _take(self, item: dict[str, Any]) -> Iterator[Value]:
        """A whole one. Some servers tell all of them in their last event alone, others there once more."""
        identity = item.get("call_id") or item.get("id") or ""
        if identity in self._whole:
            return
        self._whole.add(identity)
        kind, thought, self._thought = item["type"], self._thought, None
        if kind == "reasoning" and item.get("encrypted_content"):
            self._thought = {key: item.get(key) for key in ("type", "id", "summary", "encrypted_content")}
        elif kind == "function_call" and item.get("status") != "incomplete":
            self._keep(thought, item["call_id"])
            call = self._call(item)
            yield from self._kept
            self._kept = []
            yield call
        elif kind == "message":
            self._keep(thought, "")
            yield from self._message(item, identity in self._heard)

    def _message(self, item: dict[str, Any], heard: bool) -> Iterator[Value]:
        for content in item.get("content") or ():
            if content["type"] == "refusal":
                self._refused = True
            text = content.get("text") or content.get("refusal")
            if text and not heard:  # a server that does not send it in pieces
                self._pieces += 1
                yield text
            yield from self._cite(content.get("annotations") or ())

    def _keep(self, thought: dict[str, Any] | None, before: str) -> None:
        """`before`: the id of the call that it led to; "": the text."""
        if thought is not None:
            data = json.dumps({"item": thought, "before": before})
            self._kept.append(VendorState(provider="openai", data=data.encode()))

    def _call(self, item: dict[str, Any]) -> ToolCall:
        arguments = item.get("arguments") or "{}"
        try:
            whole = isinstance(json.loads(arguments), dict)
        except ValueError:
            whole = False
        if not whole:
            raise Unavailable("the model called a tool with what is not a JSON object")
        self._called = True
        return ToolCall(id=item["call_id"], name=self._names.ours(item["name"]), arguments=arguments)

    def _cite(self, annotations: Any) -> Iterator[Citation]:
        for cited in annotations:
            if cited.get("type") == "url_citation" and cited["url"] not in self._cited:
                self._cited.add(cited["url"])
                yield Citation(url=cited["url"], title=cited.get("title") or "")

    def _completed(self, event: dict[str, Any]) -> Iterator[Value]:
        for item in event["response"].get("output") or ():
            yield from self._take(item)
        # Some servers end every answer with this event.
        if (status := event["response"].get("status")) in ("incomplete", "failed"):
            yield from (self._incomplete if status == "incomplete" else self._failed)(event)
            return
        if self._called:
            finish = Finish.FINISH_TOOL_CALLS
        else:
            finish = Finish.FINISH_REFUSAL if self._refused else Finish.FINISH_STOP
        yield self._counted(finish, event)

    def _incomplete(self, event: dict[str, Any]) -> Iterator[Value]:
        reason = (event["response"].get("incomplete_details") or {}).get("reason")
        yield self._counted(Finish.FINISH_REFUSAL if reason == "content_filter" else Finish.FINISH_LENGTH, event)

    def _failed(self, event: dict[str, Any]) -> Iterator[Value]:
        raise in_stream(event["response"].get("error"))

    def _error(self, event: dict[str, Any]) -> Iterator[Value]:
        raise in_stream(event.get("error") or event)

    def _counted(self, finish: Finish.ValueType, event: dict[str, Any]) -> Usage:
        self.over = True
        told = event["response"].get("usage")
        if not told or not (told.get("input_tokens") or told.get("output_tokens")):
            return Usage(finish, words_of(self._request), self._pieces, estimated=True)
        if finish == Finish.FINISH_STOP and int(told.get("output_tokens") or 0) >= most(self._request):
            finish = Finish.FINISH_LENGTH  # llama.cpp calls an answer complete that the limit cut off
        of_read, of_written = told.get("input_tokens_details") or {}, told.get("output_tokens_details") or {}
        return Usage(
            finish,
            int(told.get("input_tokens") or 0),
            int(told.get("output_tokens") or 0),
            cache_read_tokens=int(of_read.get("cached_tokens") or 0),
            cache_write_tokens=int(of_read.get("cache_write_tokens") or 0),
            reasoning_tokens=int(of_written.get("reasoning_tokens") or 0),
            web_searches=sum(item.get("type") == "web_search_call" for item in event["response"].get("output") or ()),
        )


_READ: dict[str, Callable[[ResponsesAnswer, dict[str, Any]], Iterator[Value]]] = {
    "response.output_text.delta": ResponsesAnswer._text,
    "response.refusal.delta": ResponsesAnswer._refusal,
    "response.reasoning_summary_text.delta": ResponsesAnswer._reasoning,
    "response.reasoning_text.delta": ResponsesAnswer._reasoning,
    "response.reasoning_summary_part.added": ResponsesAnswer._part,
    "response.output_text.annotation.added": ResponsesAnswer._annotation,
    "response.output_item.done": ResponsesAnswer._item,
    "response.completed": ResponsesAnswer._completed,
    "response.incomplete": ResponsesAnswer._incomplete,
    "response.failed": ResponsesAnswer._failed,
    "error": ResponsesAnswer._error,
}
