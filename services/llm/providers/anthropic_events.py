"""The events of Anthropic's Messages, as our values."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from parlance.errors import InvalidRequest, PermissionDenied, QuotaExhausted, RateLimited, Unauthenticated, Unavailable
from parlance.v1.llm_service_pb2 import Citation, Finish, ToolCall, VendorState
from services.llm.provider import Reasoning, Usage, Value
from services.llm.providers import asked
from services.llm.providers.http import Kind, failed

_FINISHES = {
    "max_tokens": Finish.FINISH_LENGTH,
    "tool_use": Finish.FINISH_TOOL_CALLS,
    "pause_turn": Finish.FINISH_PAUSED,
    "refusal": Finish.FINISH_REFUSAL,
    "model_context_window_exceeded": Finish.FINISH_CONTEXT_FULL,
}
# The vendor wants what it signed, and what its own tools found, back with these alone.
_GOES_ON = (Finish.FINISH_TOOL_CALLS, Finish.FINISH_PAUSED)
_CUT = (Finish.FINISH_LENGTH, Finish.FINISH_CONTEXT_FULL)
_SPENT: Kind = (QuotaExhausted, "the model's server says that the spending limit is reached")
# By `error.details.error_code`, then by `error.type`.
CODES: dict[str, Kind] = {
    "contract_spend_limit_reached": _SPENT,
    "enforced_spend_limit_reached": _SPENT,
    "linked_organization_spend_limit_reached": _SPENT,
    "linked_organization_billing_unavailable": _SPENT,
    # As others say it who speak this protocol too.
    "insufficient_quota": _SPENT,
    "organization_on_hold": (PermissionDenied, "the model's server has put this organization on hold"),
    "ramp_limit_exceeded": (RateLimited, "the model's server is asked more often than it was a while ago"),
    "image_dimensions_too_large": (InvalidRequest, "a picture is larger than the model can see"),
    "billing_error": (QuotaExhausted, "the model's server says that its bill is not paid"),
    "authentication_error": (
        Unauthenticated,
        "the model's server does not take this key: set ANTHROPIC_API_KEY, or --set api_key_env=NAME",
    ),
    "permission_error": (PermissionDenied, "the model's server does not let this key ask"),
    "not_found_error": (InvalidRequest, "the model's server has no such model, or not at this address"),
    "rate_limit_error": (RateLimited, "the model's server is asked too often"),
    "overloaded_error": (Unavailable, "the model's server is overloaded"),
    "timeout_error": (Unavailable, "the model's server took too long"),
    "api_error": (Unavailable, "the model's server failed"),
    "invalid_request_error": (
        InvalidRequest,
        "the model's server does not understand the request, or it is longer than the model can read",
    ),
}


class Events:
    """`take` each event, then ask for `usage`. ValueError, LookupError or TypeError for one that makes no sense."""

    def __init__(self) -> None:
        self.ended = False
        self._blocks: dict[int, dict[str, Any]] = {}
        # By block: the pieces of the one string of it that arrives in pieces.
        self._parts: dict[int, list[str]] = {}
        self._stop = ""
        self._used: dict[str, Any] = {}
        self._cited: set[str] = set()
        # A call was cut off in its arguments.
        self._torn = False

    def take(self, event: dict[str, Any]) -> Iterable[Value]:
        """Its values; none for an event that is not known."""
        taker = _TAKERS.get(event["type"])
        return taker(self, event) if taker else ()

    def usage(self) -> Usage | None:
        """None where the vendor did not count."""
        if not self._used:
            return None
        used = self._used.get
        read, written = used("cache_read_input_tokens", 0), used("cache_creation_input_tokens", 0)
        return Usage(
            self.finish,
            used("input_tokens", 0) + read + written,
            used("output_tokens", 0),
            cache_read_tokens=read,
            cache_write_tokens=written,
            reasoning_tokens=used("output_tokens_details", {}).get("thinking_tokens", 0),
            web_searches=(used("server_tool_use") or {}).get("web_search_requests", 0),
            cache_write_1h_tokens=(used("cache_creation") or {}).get("ephemeral_1h_input_tokens", 0),
        )

    @property
    def finish(self) -> Finish.ValueType:
        return _FINISHES.get(self._stop, Finish.FINISH_STOP)

    def _begin(self, event: dict[str, Any]) -> Iterable[Value]:
        self._count(event["message"].get("usage"))
        return ()

    def _end(self, event: dict[str, Any]) -> Iterator[Value]:
        for index in list(self._parts):
            yield from self._whole({"index": index})
        if self._torn and self.finish not in _CUT:
            raise ValueError("arguments that are no JSON object")
        self.ended = True
        yield from self._state()

    def _told(self, event: dict[str, Any]) -> Iterable[Value]:
        self._stop = event["delta"].get("stop_reason") or self._stop
        self._count(event.get("usage"))
        return ()

    def _failed(self, event: dict[str, Any]) -> Iterable[Value]:
        error = event["error"]
        raise failed(200, ((error.get("details") or {}).get("error_code"), error.get("type")), CODES)

    def _start(self, event: dict[str, Any]) -> Iterator[Value]:
        index, block = event["index"], event["content_block"]
        self._blocks[index], self._parts[index] = block, []
        if block["type"] in ("text", "thinking") and (given := block.get(block["type"])):
            yield from self._piece({"index": index, "delta": {"type": f"{block['type']}_delta", block["type"]: given}})

    def _piece(self, event: dict[str, Any]) -> Iterator[Value]:
        index, delta = event["index"], event["delta"]
        kind, parts = delta["type"], self._parts[index]
        if kind == "text_delta":
            parts.append(delta["text"])
            if delta["text"]:
                yield delta["text"]
        elif kind == "input_json_delta":
            parts.append(delta["partial_json"])
        elif kind == "thinking_delta":
            parts.append(delta["thinking"])
            if delta["thinking"]:
                yield Reasoning(delta["thinking"])
        elif kind == "signature_delta":
            self._blocks[index]["signature"] = delta["signature"]
        elif kind == "citations_delta":
            yield from self._citation(delta["citation"])

    def _citation(self, citation: dict[str, Any]) -> Iterator[Value]:
        """Each page once, however often it is rested on."""
        url = citation.get("url")
        if url and url not in self._cited:
            self._cited.add(url)
            yield Citation(url=url, title=citation.get("title") or "")

    def _whole(self, event: dict[str, Any]) -> Iterator[Value]:
        index = event["index"]
        block, text = self._blocks[index], "".join(self._parts.pop(index))
        kind = block["type"]
        if kind in ("text", "thinking"):
            block[kind] = text
        elif kind in ("tool_use", "server_tool_use"):
            text = text or json.dumps(block.get("input") or {})
            block["input"] = asked.json_object(text)
            if block["input"] is None:
                self._torn = True
            elif kind == "tool_use":
                yield ToolCall(id=block["id"], name=block["name"], arguments=text)

    def _count(self, usage: dict[str, Any] | None) -> None:
        """The later one holds: they are cumulative."""
        self._used.update({name: count for name, count in (usage or {}).items() if count is not None})

    def _state(self) -> Iterator[Value]:
        """What is not in our values, in its place among those that are: text by its length, calls by their ids."""
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        if self.finish in _GOES_ON and any(block["type"] not in ("text", "tool_use") for block in blocks):
            kept = [_kept(block) for block in blocks]
            yield VendorState(provider="anthropic", data=json.dumps(kept, separators=(",", ":")).encode())


def _kept(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] == "text":
        return {"text": len(block["text"])}
    return {"call": block["id"]} if block["type"] == "tool_use" else block


_TAKERS: dict[str, Callable[[Events, dict[str, Any]], Iterable[Value]]] = {
    "message_start": Events._begin,
    "content_block_start": Events._start,
    "content_block_delta": Events._piece,
    "content_block_stop": Events._whole,
    "message_delta": Events._told,
    "message_stop": Events._end,
    "error": Events._failed,
}
