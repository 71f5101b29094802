"""Four vendors' wire formats, from the vendor's side: what it was told of tools, calls and results, and the stream in
which it calls tools itself. Written apart from the providers, from the vendors' own types."""

import json
from typing import Any, Protocol

from tests.unit import anthropic_streams, google_streams, responses_events, sse_server

# (id, name, arguments as JSON)
Call = tuple[str, str, str]
Body = dict[str, Any]


class Wire(Protocol):
    # What the vendor takes for a tool's name.
    takes: str
    # What base_url ends in.
    path: str

    def tools(self, body: Body) -> list[tuple[str, str, Any]]:
        """(name, description, schema) as they were told."""
        ...

    def earlier(self, body: Body) -> tuple[list[Call], list[tuple[str, str]]]:
        """Calls and (id, result) of the conversation; ids are empty where the vendor has none."""
        ...

    def stream(self, calls: list[Call]) -> bytes:
        """An answer that makes these calls, or says "Sorry." where there are none."""
        ...


def _pieces(text: str) -> list[str]:
    return [text[at : at + 7] for at in range(0, len(text), 7)]


class Chat:
    takes, path = r"[a-zA-Z0-9_-]{1,64}", "/v1"

    def tools(self, body: Body) -> list[tuple[str, str, Any]]:
        told = [tool["function"] for tool in body["tools"] if tool["type"] == "function"]
        return [(f["name"], f["description"], f["parameters"]) for f in told]

    def earlier(self, body: Body) -> tuple[list[Call], list[tuple[str, str]]]:
        called = [c for m in body["messages"] for c in m.get("tool_calls") or ()]
        results = [(m["tool_call_id"], m["content"]) for m in body["messages"] if m["role"] == "tool"]
        return [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in called], results

    def stream(self, calls: list[Call]) -> bytes:
        if not calls:
            return "".join(sse_server.whole("Sorry", ".")).encode()
        pieces = [_pieces(arguments) for _, _, arguments in calls]
        deltas: list[list[Any]] = [
            [{"index": n, "id": id_, "type": "function", "function": {"name": name, "arguments": ""}}]
            for n, (id_, name, _) in enumerate(calls)
        ]
        for at in range(max(map(len, pieces))):  # those of all calls, one among the other
            deltas.append([{"index": n, "function": {"arguments": p[at]}} for n, p in enumerate(pieces) if at < len(p)])
        chunks: list[Body] = [{"delta": {"tool_calls": delta}, "finish_reason": None} for delta in deltas]
        chunks.append({"delta": {}, "finish_reason": "tool_calls"})
        lines = [json.dumps({"choices": [{"index": 0, **chunk}]}) for chunk in chunks]
        return "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode()


class Responses:
    takes, path = r"[a-zA-Z0-9_-]{1,64}", "/v1"

    def tools(self, body: Body) -> list[tuple[str, str, Any]]:
        return [(t["name"], t["description"], t["parameters"]) for t in body["tools"] if t["type"] == "function"]

    def earlier(self, body: Body) -> tuple[list[Call], list[tuple[str, str]]]:
        calls = [i for i in body["input"] if i.get("type") == "function_call"]
        results = [i for i in body["input"] if i.get("type") == "function_call_output"]
        return [(c["call_id"], c["name"], c["arguments"]) for c in calls], [
            (r["call_id"], r["output"]) for r in results
        ]

    def stream(self, calls: list[Call]) -> bytes:
        if not calls:
            return (responses_events.text("Sorry.") + responses_events.ended()).encode()
        written = []
        for n, (id_, name, arguments) in enumerate(calls):
            at = {"output_index": n, "item_id": f"fc_{n}"}
            item = {"id": f"fc_{n}", "call_id": id_, "name": name}
            begun = {**item, "type": "function_call", "arguments": ""}
            written.append(responses_events.event("response.output_item.added", **at, item=begun))
            for piece in _pieces(arguments):
                written.append(responses_events.event("response.function_call_arguments.delta", **at, delta=piece))
            written.append(responses_events.done(n, "function_call", **item, arguments=arguments, status="completed"))
        return "".join([*written, responses_events.ended()]).encode()


class Messages:
    takes, path = r"[a-zA-Z0-9_-]{1,128}", ""

    def tools(self, body: Body) -> list[tuple[str, str, Any]]:
        return [(t["name"], t["description"], t["input_schema"]) for t in body["tools"]]

    def earlier(self, body: Body) -> tuple[list[Call], list[tuple[str, str]]]:
        blocks = [block for m in body["messages"] for block in m["content"]]
        calls = [(b["id"], b["name"], json.dumps(b["input"])) for b in blocks if b["type"] == "tool_use"]
        return calls, [(b["tool_use_id"], b["content"]) for b in blocks if b["type"] == "tool_result"]

    def stream(self, calls: list[Call]) -> bytes:
        if not calls:
            events = [*anthropic_streams.text(0, "Sorry."), *anthropic_streams.end()]
            return anthropic_streams.wire([anthropic_streams.start(), *events])
        made = [anthropic_streams.tool(n, name, *_pieces(a), call_id=i) for n, (i, name, a) in enumerate(calls)]
        events = [event for blocks in made for event in blocks]
        return anthropic_streams.wire([anthropic_streams.start(), *events, *anthropic_streams.end("tool_use")])


class Gemini:
    takes, path = r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}", ""

    def tools(self, body: Body) -> list[tuple[str, str, Any]]:
        told = [f for tool in body["tools"] for f in tool["functionDeclarations"]]
        return [(f["name"], f["description"], f["parametersJsonSchema"]) for f in told]

    def earlier(self, body: Body) -> tuple[list[Call], list[tuple[str, str]]]:
        parts = [part for content in body["contents"] for part in content["parts"]]
        calls = [part["functionCall"] for part in parts if "functionCall" in part]
        results = [part["functionResponse"] for part in parts if "functionResponse" in part]
        told = [(c.get("id", ""), c["name"], json.dumps(c["args"])) for c in calls]
        return told, [(r.get("id", ""), r["response"]["output"]) for r in results]

    def stream(self, calls: list[Call]) -> bytes:
        """Like the vendor's own API, without ids."""
        said = [google_streams.part("Sorry.")]
        parts = [google_streams.call(name, json.loads(arguments)) for _, name, arguments in calls] or said
        chunks = [google_streams.chunk(part) for part in parts]
        return google_streams.wire([*chunks, google_streams.chunk(finish="STOP", usage=google_streams.usage())])


WIRES: dict[str, Wire] = {"anthropic": Messages(), "compatible": Chat(), "google": Gemini(), "openai": Responses()}
