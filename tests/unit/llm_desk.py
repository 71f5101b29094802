"""An llm service whose route and catalogue the test makes, and what it has published."""

import asyncio
import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

from parlance import clock
from parlance.rpc import Call
from parlance.v1.control_pb2 import LlmRule, LlmTarget, RouteSet
from parlance.v1.llm_pb2 import LlmEvent
from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, Role
from parlance.v1.turn_pb2 import Header, Label
from services.llm import catalogue
from services.llm.attempt import Limits
from services.llm.parts import Parts
from services.llm.service import LlmService

ECHO = RouteSet(stage="llm", target="scripted:echo", version="v3")
ANNA = "anna"


class Desk:
    """`parts`: Parts of the service beside its limits."""

    def __init__(
        self,
        route: RouteSet = ECHO,
        limits: Limits | None = None,
        secrets: dict[str, str] | None = None,
        **parts: Any,
    ) -> None:
        self.route, self.events, self.secrets = route, list[LlmEvent](), secrets or {}
        secret = lambda name: self.secrets.get(name, "")  # noqa: E731
        self.parts = Parts(limits=limits or Limits(), **parts)
        self.service = LlmService(self.events.append, lambda: self.route, secret, self.parts)

    def of(self, kind: str) -> list[Any]:
        return [getattr(e, kind) for e in self.events if e.WhichOneof("event") == kind]

    async def ask(
        self, words: str = "hello there", call_id: str = "c1", label: Label.ValueType = Label.LABEL_UNSPECIFIED
    ) -> list[Any]:
        return await self.parts_of(question(words, label=label), call_id)

    async def parts_of(self, request: AnswerRequest, call_id: str = "c1") -> list[Any]:
        async with aclosing(self.service.answer(request, call(call_id))) as parts:
            return [part async for part in parts]

    async def text(self, words: str = "hello there", call_id: str = "c1") -> str:
        return "".join(part.text for part in await self.ask(words, call_id))


def question(words: str, **asked: Any) -> AnswerRequest:
    return AnswerRequest(messages=[ChatMessage(role=Role.ROLE_USER, text=words)], **asked)


def call(call_id: str = "c1", user: str = ANNA) -> Call:
    deadline_us = clock.now_us() + 30_000_000
    header = Header(event_id="e1", turn_id="t1", session_id="s1", user_id=user, deadline_us=deadline_us)
    return Call(call_id, header, asyncio.get_running_loop().time() + 30)


def targets(*of: LlmTarget, **rule: Any) -> RouteSet:
    """A route of one rule."""
    return RouteSet(stage="llm", version="v5", rules=[LlmRule(name="chat", targets=of, **rule)])


def scripted(path: Path, name: str, **script: Any) -> LlmTarget:
    """The target scripted:NAME, which says what its file says."""
    file = path / f"{name}.json"
    file.write_text(json.dumps(script))
    return LlmTarget(target=f"scripted:{name}", settings={"file": str(file)})


def own_catalogue(path: Path, **models: dict[str, Any]) -> catalogue.Catalogue:
    """The shipped one with scripted:NAME for each of `models`: {"input": dollars for a million tokens, ...}."""
    entries = {}
    for name, said in models.items():
        prices = {key: said.pop(key, "0") for key in ("input", "output", "cache_read", "cache_write")}
        entries[f"scripted:{name}"] = {
            "context_tokens": "100000",
            "max_output_tokens": "1000",
            "capabilities": ["chat", "tools", "code", "summary", "schema"],
            "prices": [{"since": "2020-01-01", **prices}],
            **said,
        }
    file = path / "catalogue.yaml"
    file.write_text(json.dumps({"models": entries}))
    return catalogue.load(file)
