"""Streams as Gemini's streamGenerateContent sends them, made by hand from its SDK's types."""

import base64
import json
from typing import Any

Chunk = dict[str, Any]
Part = dict[str, Any]

SIGNATURE = base64.b64encode(b"signed").decode()


def part(said: str = "", signature: str = "") -> Part:
    return {"text": said, **({"thoughtSignature": signature} if signature else {})}


def thought(said: str) -> Part:
    return {"text": said, "thought": True}


def call(name: str, args: dict[str, Any] | None = None, call_id: str = "", signature: str = "") -> Part:
    made: dict[str, Any] = {"name": name, **({"id": call_id} if call_id else {}), **({"args": args} if args else {})}
    return {"functionCall": made, **({"thoughtSignature": signature} if signature else {})}


def chunk(*parts: Part, finish: str = "", usage: dict[str, int] | None = None, **more: Any) -> Chunk:
    candidate: dict[str, Any] = {"index": 0, **more}
    if parts:
        candidate["content"] = {"parts": list(parts), "role": "model"}
    if finish:
        candidate["finishReason"] = finish
    made: Chunk = {"candidates": [candidate], "modelVersion": "gemini-3.8-flash", "responseId": "r1"}
    return made | ({"usageMetadata": usage} if usage is not None else {})


def usage(prompt: int = 12, candidates: int = 5, **more: int) -> dict[str, int]:
    total = prompt + candidates + more.get("thoughtsTokenCount", 0) + more.get("toolUsePromptTokenCount", 0)
    return {"promptTokenCount": prompt, "candidatesTokenCount": candidates, "totalTokenCount": total, **more}


def grounding(*pages: tuple[str, str], rested: tuple[int, ...] = ()) -> dict[str, Any]:
    return {
        "webSearchQueries": ["q"],
        "groundingChunks": [{"web": {"uri": uri, "title": title}} for uri, title in pages],
        "groundingSupports": [{"segment": {"endIndex": 3}, "groundingChunkIndices": list(rested)}] if rested else [],
    }


def blocked(reason: str = "PROHIBITED_CONTENT") -> Chunk:
    return {"promptFeedback": {"blockReason": reason}, "usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7}}


def error(code: int, status: str, *details: dict[str, Any]) -> Chunk:
    return {"error": {"code": code, "message": "about private words", "status": status, "details": list(details)}}


def reason(name: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": name, "domain": "googleapis.com"}


def quota(quota_id: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota_id}]}


def wire(chunks: list[Chunk]) -> bytes:
    """As they go over the wire."""
    return "".join(f"data: {json.dumps(c)}\r\n\r\n" for c in chunks).encode()
