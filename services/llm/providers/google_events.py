"""The chunks of Gemini's streamGenerateContent, as our values."""

import json
from collections.abc import Iterator
from typing import Any

from parlance import ids
from parlance.errors import (
    InvalidRequest,
    ParlanceError,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from parlance.v1.llm_service_pb2 import Citation, Finish, ToolCall, VendorState
from services.llm.provider import Reasoning, Usage, Value
from services.llm.providers.http import Kind, failed

# Of a call that the vendor did not name; it never sees these.
OWN_ID = "own-"

_FINISHES = {"MAX_TOKENS": Finish.FINISH_LENGTH, "CONTINUATION": Finish.FINISH_LENGTH}
_REFUSALS = (
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "ESCALATION",
    "MODEL_ARMOR",
)
_NO_ANSWERS: dict[str, Kind] = {
    "MALFORMED_FUNCTION_CALL": (Unavailable, "the model called a tool in a way that nobody understands"),
    "MALFORMED_RESPONSE": (Unavailable, "the model answered in a way that nobody understands"),
    "UNEXPECTED_TOOL_CALL": (Unavailable, "the model called a tool that it was not given"),
    "TOO_MANY_TOOL_CALLS": (Unavailable, "the model called tools without end"),
    "MISSING_THOUGHT_SIGNATURE": (InvalidRequest, "the model misses the signature of a thought of its own"),
    "PUP_LIMITED_DISABLED": (PermissionDenied, "the model's server has restricted this account"),
    "OTHER": (Unavailable, "the model stopped without a reason"),
}
_BUSY: Kind = (RateLimited, "the model's server is asked too often")
_DOWN: Kind = (Unavailable, "the model's server failed")
# By the reason of `google.rpc.ErrorInfo`, by what a quota is counted over, then by the status.
CODES: dict[str, Kind] = {
    "API_KEY_INVALID": (
        Unauthenticated,
        "the model's server does not take this key: set GEMINI_API_KEY, or --set api_key_env=NAME",
    ),
    "API_KEY_SERVICE_BLOCKED": (PermissionDenied, "the model's server does not let this key ask"),
    "BILLING_DISABLED": (QuotaExhausted, "the model's server says that its bill is not paid"),
    "PerDay": (QuotaExhausted, "the model's server says that the day's quota is used up"),
    # As others say it who speak this protocol too.
    "insufficient_quota": (QuotaExhausted, "the model's server says that the quota is used up"),
    "UNAUTHENTICATED": (Unauthenticated, "the model's server wants a key: set GEMINI_API_KEY"),
    "PERMISSION_DENIED": (PermissionDenied, "the model's server does not let this key ask"),
    "NOT_FOUND": (InvalidRequest, "the model's server has no such model, or not at this address"),
    "INVALID_ARGUMENT": (
        InvalidRequest,
        "the model's server does not understand the request, or it is longer than the model can read",
    ),
    "FAILED_PRECONDITION": (PermissionDenied, "the model's server does not answer from here without a bill"),
    "RESOURCE_EXHAUSTED": _BUSY,
    "UNAVAILABLE": _DOWN,
    "INTERNAL": _DOWN,
    "DEADLINE_EXCEEDED": _DOWN,
    "ABORTED": _DOWN,
}


class Chunks:
    """`take` each chunk, then ask for `rest`. ValueError, LookupError or TypeError for one that makes no sense."""

    def __init__(self) -> None:
        self.ended = False
        self._finish = Finish.FINISH_STOP
        self._kept: list[dict[str, Any]] = []
        self._signed = self._called = False
        self._pieces = 0
        self._used: dict[str, Any] = {}
        self._cited: set[str] = set()
        self._queries: set[str] = set()

    def take(self, chunk: dict[str, Any]) -> Iterator[Value]:
        if "error" in chunk:
            raise told(0, chunk)
        self._used = chunk.get("usageMetadata") or self._used
        if (chunk.get("promptFeedback") or {}).get("blockReason"):
            self._ends("SAFETY")
        for candidate in chunk.get("candidates") or ():
            for part in (candidate.get("content") or {}).get("parts") or ():
                yield from self._part(part)
            yield from self._pages(candidate.get("groundingMetadata") or {})
            if reason := candidate.get("finishReason"):
                self._ends(reason)

    def rest(self, words: int) -> Iterator[Value]:
        """What is known at the end: what the vendor wants back, and the usage. `words`: of the question, where the
        vendor did not count."""
        if self._finish == Finish.FINISH_STOP and self._called:
            self._finish = Finish.FINISH_TOOL_CALLS
            if self._signed:
                yield VendorState(provider="google", data=json.dumps(self._kept, separators=(",", ":")).encode())
        if not self._used:
            yield Usage(self._finish, words, self._pieces, estimated=True)
            return
        used = self._used.get
        thoughts = used("thoughtsTokenCount") or 0
        yield Usage(
            self._finish,
            (used("promptTokenCount") or 0) + (used("toolUsePromptTokenCount") or 0),
            (used("candidatesTokenCount") or 0) + thoughts,
            cache_read_tokens=used("cachedContentTokenCount") or 0,
            reasoning_tokens=thoughts,
            web_searches=len(self._queries),
        )

    def _part(self, part: dict[str, Any]) -> Iterator[Value]:
        text = part.get("text")
        if part.get("thought"):
            if text:
                yield Reasoning(text)
            return
        kept: dict[str, Any] = {}
        if text:
            kept["text"] = len(text)
            self._pieces += 1
            yield text
        elif call := part.get("functionCall"):
            kept["call"] = call.get("id") or f"{OWN_ID}{ids.new()}"
            self._called = True
            yield ToolCall(id=kept["call"], name=call["name"], arguments=json.dumps(call.get("args") or {}))
        if signature := part.get("thoughtSignature"):
            kept["signature"] = signature
            self._signed = True
        self._kept.append(kept)

    def _pages(self, grounding: dict[str, Any]) -> Iterator[Value]:
        """Those that the answer rests on; where that is not told, all that were found."""
        chunks = grounding.get("groundingChunks") or []
        self._queries.update(grounding.get("webSearchQueries") or ())
        supports = grounding.get("groundingSupports") or []
        rested = [index for support in supports for index in support.get("groundingChunkIndices") or ()]
        for index in rested or range(len(chunks)):
            web = chunks[index].get("web") or {}
            if web.get("uri") and web["uri"] not in self._cited:
                self._cited.add(web["uri"])
                yield Citation(url=web["uri"], title=web.get("title") or "")

    def _ends(self, reason: str) -> None:
        if reason in _NO_ANSWERS:
            kind, message = _NO_ANSWERS[reason]
            raise kind(message)
        self.ended = True
        self._finish = Finish.FINISH_REFUSAL if reason in _REFUSALS else _FINISHES.get(reason, self._finish)


def told(status: int, body: Any) -> ParlanceError:
    """For an error as Google writes it, or as what stands before Google does."""
    error = body.get("error", body) if isinstance(body, dict) else {}
    if not isinstance(error, dict):
        return failed(status)
    code = error.get("code")
    return failed(status or (code if isinstance(code, int) else 0), [*_reasons(error), error.get("status")], CODES)


def _reasons(error: dict[str, Any]) -> Iterator[object]:
    for detail in error.get("details") or ():
        if isinstance(detail, dict):
            yield detail.get("reason")
            if "PerDay" in str(detail.get("violations")):
                yield "PerDay"
