"""Servers that pretend to be vendors and that nobody here wrote: aimock (npm) and llmock (PyPI), each on a port of its
own, told to answer, or to fail, in every way that they can."""

import json
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.ports import free_port

AIMOCK = Path(__file__).parents[2] / "infra" / "node" / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
TEXT = "It is sunny in Rome today, and it is warm."
STALL_S = 60.0
SLOW_S = 0.4
_READY_S = 30.0

# A case of aimock is a question; these fields of its fixture say how it is answered.
_REPLY: dict[str, Any] = {"response": {"content": TEXT}}
_CALLS = [{"name": "light", "arguments": '{"room":"hall"}'}, {"name": "time", "arguments": "{}"}]
_AIMOCK: dict[str, dict[str, Any]] = {
    "plain": _REPLY,
    "thinking": {"response": {"content": TEXT, "reasoning": "I look out of the window first."}},
    "schema": {"response": {"content": '{"room": "hall"}'}},
    "tools": {"response": {"toolCalls": _CALLS}},
    "mixed": {"response": {"blocks": [{"type": "toolCall", **_CALLS[0]}, {"type": "text", "text": TEXT}]}},
    "results": {"response": {"content": TEXT}},
    "cut short": {"response": {"content": TEXT, "finishReason": "length"}},
    "busy": {"response": {"error": {"message": "private words", "type": "rate_limit_error"}, "status": 429}},
    "spent": {"response": {"error": {"message": "private words", "type": "insufficient_quota"}, "status": 429}},
    "overloaded": {"response": {"error": {"message": "private words", "type": "overloaded_error"}, "status": 529}},
    "broken": {"response": {"error": {"message": "private words", "type": "server_error"}, "status": 500}},
    "truncated": {**_REPLY, "truncateAfterChunks": 3, "latency": 20},
    "disconnected": {**_REPLY, "disconnectAfterMs": 150, "latency": 40},
    "stalled": {**_REPLY, "streamingProfile": {"ttft": 10, "tps": 1 / STALL_S}},
    "slow": {**_REPLY, "streamingProfile": {"ttft": SLOW_S * 1000}},
    "malformed": {**_REPLY, "chaos": {"malformedRate": 1}},
    "dropped": {**_REPLY, "chaos": {"dropRate": 1}},
    "limited": {**_REPLY, "chaos": {"rateLimitRate": 1}},
    "hung up": {**_REPLY, "chaos": {"disconnectRate": 1}},
}
# A case of llmock is what it is told to do with the next request.
_SAY: dict[str, Any] = {"type": "reply", "text": TEXT}
_LLMOCK: dict[str, list[dict[str, Any]]] = {
    "plain": [_SAY],
    "schema": [{"type": "reply", "text": '{"room": "hall"}'}],
    "tools": [{"type": "reply", "tool_calls": [{"name": "light", "arguments": {"room": "hall"}}, {"name": "time"}]}],
    "results": [_SAY],
    "cut short": [{**_SAY, "finish_reason": "length"}],
    "refused": [{**_SAY, "finish_reason": "content_filter"}],
    "busy": [{"type": "fail", "status": 429, "retry_after": 3600, "message": "private words"}],
    "spent": [{"type": "fail", "status": 429, "code": "insufficient_quota", "message": "private words"}],
    "overloaded": [{"type": "fail", "status": 529, "message": "private words"}],
    "broken": [{"type": "fail", "status": 500, "message": "private words"}],
    "no key": [{"type": "fail", "status": 401, "message": "private words"}],
    "no right": [{"type": "fail", "status": 403, "message": "private words"}],
    "no model": [{"type": "fail", "status": 404, "message": "private words"}],
    "down": [{"type": "fail", "status": 503, "message": "private words"}],
    "truncated": [_SAY, {"type": "stream_fault", "kind": "truncate", "after_chunks": 5}],
    "disconnected": [_SAY, {"type": "stream_fault", "kind": "disconnect", "after_chunks": 5}],
    "malformed": [_SAY, {"type": "stream_fault", "kind": "malformed", "after_chunks": 5}],
    "stalled": [_SAY, {"type": "stream_fault", "kind": "stall", "after_chunks": 5, "stall_seconds": STALL_S}],
    "slow": [_SAY, {"type": "slow_first_token", "seconds": SLOW_S}],
    "silent": [_SAY, {"type": "delay", "seconds": STALL_S}],
    "unknown tool": [{"type": "tool_fault", "kind": "unknown_tool"}],
    "torn call": [{"type": "tool_fault", "kind": "malformed_arguments"}],
}


@dataclass
class Upstream:
    """`name`: "aimock", "llmock"; `cases`: what it can be told. One case at a time."""

    name: str
    cases: frozenset[str]
    url: str = ""
    _tell: Callable[["Upstream", str], None] = field(default=lambda upstream, case: None)

    def tell(self, case: str) -> str:
        """The question that is answered as the case says."""
        self._tell(self, case)
        return f"{case}, please"

    def asked(self) -> int:
        """How many requests have come since the case was told, once they are done with."""
        path = {"aimock": "/__aimock/journal", "llmock": "/_llmock/requests"}[self.name]
        found = json.loads(self.call("GET", path))
        return len(found["requests"] if isinstance(found, dict) else found)

    def call(self, method: str, path: str, body: Any = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            found: bytes = response.read()
            return found


def _tell_aimock(upstream: Upstream, case: str) -> None:
    upstream.call("POST", "/__aimock/reset/journal", {})


def _tell_llmock(upstream: Upstream, case: str) -> None:
    upstream.call("POST", "/_llmock/reset", {})
    upstream.call("POST", "/_llmock/scenario", {"behaviors": _LLMOCK[case]})


UPSTREAMS = {
    "aimock": Upstream("aimock", frozenset(_AIMOCK), _tell=_tell_aimock),
    "llmock": Upstream("llmock", frozenset(_LLMOCK), _tell=_tell_llmock),
}


def missing(name: str) -> str:
    """Why it cannot run here; "": it can."""
    if name == "llmock":
        return ""
    if shutil.which("node") is None:
        return "Node is not installed"
    return "" if AIMOCK.exists() else "npm ci --prefix infra/node --ignore-scripts"


@contextmanager
def serving(name: str, folder: Path) -> Iterator[Upstream]:
    port = free_port()
    if name == "aimock":
        fixtures = [{"match": {"userMessage": f"{case}, please"}, **how} for case, how in _AIMOCK.items()]
        told = folder / "fixtures.json"
        told.write_text(json.dumps({"fixtures": fixtures}))
        words = ["node", str(AIMOCK), "-p", str(port), "-f", str(told), "--chunk-size", "9", "--log-level", "silent"]
    else:
        words = [sys.executable, "-m", "llmock.cli", "serve", "-p", str(port), "--log-level", "error"]
    upstream = Upstream(name, UPSTREAMS[name].cases, f"http://127.0.0.1:{port}", UPSTREAMS[name]._tell)
    with (folder / "log").open("wb") as log, subprocess.Popen(words, stdout=log, stderr=log) as process:
        try:
            _wait(upstream, process, folder / "log")
            yield upstream
        finally:
            process.kill()


def _wait(upstream: Upstream, process: "subprocess.Popen[bytes]", log: Path) -> None:
    began = time.monotonic()
    while True:
        try:
            upstream.asked()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() - began > _READY_S:
                raise AssertionError(f"{upstream.name} does not come up: {log.read_text()}") from None
            time.sleep(0.05)
