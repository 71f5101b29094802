"""Streams as Anthropic's Messages sends them, made by hand from its SDK's types."""

import json
from typing import Any

Event = dict[str, Any]

USAGE = {
    "input_tokens": 12,
    "cache_creation_input_tokens": 30,
    "cache_read_input_tokens": 400,
    "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 1,
    "service_tier": "standard",
}


def start(usage: dict[str, Any] | None = None) -> Event:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": USAGE if usage is None else usage,
    }
    return {"type": "message_start", "message": message}


def block(index: int, begins: dict[str, Any], *deltas: dict[str, Any]) -> list[Event]:
    return [
        {"type": "content_block_start", "index": index, "content_block": begins},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text(index: int, *pieces: str) -> list[Event]:
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": p} for p in pieces))


def thinking(index: int, *pieces: str, signature: str = "EqQBCg==") -> list[Event]:
    begins = {"type": "thinking", "thinking": "", "signature": ""}
    thoughts = ({"type": "thinking_delta", "thinking": p} for p in pieces)
    return block(index, begins, *thoughts, {"type": "signature_delta", "signature": signature})


def redacted(index: int, data: str = "EmwKAhgB") -> list[Event]:
    return block(index, {"type": "redacted_thinking", "data": data})


def tool(index: int, name: str, *pieces: str, call_id: str = "") -> list[Event]:
    begins = {"type": "tool_use", "id": call_id or f"toolu_0{index}", "name": name, "input": {}}
    return block(index, begins, *({"type": "input_json_delta", "partial_json": p} for p in pieces))


def search(index: int, query: str, *pages: tuple[str, str]) -> list[Event]:
    """The vendor's own search, and what it found."""
    call = {"type": "server_tool_use", "id": f"srvtoolu_0{index}", "name": "web_search", "input": {}}
    found = [
        {"type": "web_search_result", "url": u, "title": t, "encrypted_content": "Eo8B", "page_age": None}
        for u, t in pages
    ]
    result = {"type": "web_search_tool_result", "tool_use_id": f"srvtoolu_0{index}", "content": found}
    return [
        *block(index, call, {"type": "input_json_delta", "partial_json": json.dumps({"query": query})}),
        *block(index + 1, result),
    ]


def cited(index: int, said: str, *pages: tuple[str, str]) -> list[Event]:
    citations = [
        {"type": "web_search_result_location", "url": u, "title": t, "cited_text": "so", "encrypted_index": "Eo4B"}
        for u, t in pages
    ]
    begins = {"type": "text", "text": "", "citations": []}
    deltas: list[dict[str, Any]] = [{"type": "citations_delta", "citation": c} for c in citations]
    return block(index, begins, *deltas, {"type": "text_delta", "text": said})


def end(stop: str = "end_turn", **usage: Any) -> list[Event]:
    told = {
        "type": "message_delta",
        "delta": {"stop_reason": stop, "stop_sequence": None},
        "usage": {"output_tokens": 57, **usage},
    }
    return [told, {"type": "message_stop"}]


def error(kind: str, code: str = "", message: str = "about private words") -> Event:
    told: dict[str, Any] = {"type": kind, "message": message}
    return {"type": "error", "error": {**told, "details": {"error_code": code}} if code else told}


def wire(events: list[Event], pings: bool = True) -> bytes:
    """As they go over the wire."""
    lines = [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events]
    if pings:
        lines.insert(1, 'event: ping\ndata: {"type": "ping"}\n\n')
    return "".join(lines).encode()
