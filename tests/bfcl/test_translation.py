"""Tool calls through each vendor's wire format, over real HTTP: a server answers what is right for a task, and what
comes out of our provider is that, to the last value; what the server is told of tools, calls and results is all of it.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from parlance import providers
from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage, Finish, Role, Tool, ToolCall
from services.llm.provider import Usage, Value
from services.llm.providers import PROVIDERS
from tests.bfcl import truth
from tests.bfcl.wires import WIRES, Body, Wire

for needed in ("anthropic", "google.genai", "openai"):
    pytest.importorskip(needed, reason="the extra `llm` is not installed")

TASKS = truth.tasks()


class Server:
    """Answers each request with `calls`, under the names that it was told."""

    def __init__(self, wire: Wire) -> None:
        self.wire, self.calls = wire, truth.Calls()
        self.body: Body = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = re.search(r"content-length: (\d+)", head)
                self.body = json.loads(await reader.readexactly(int(length[1]) if length else 0))
                told = self.wire.stream(self._wired())
                head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {len(told)}\r\n\r\n"
                writer.write(head.encode() + told)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _wired(self) -> list[tuple[str, str, str]]:
        names = told_names(self)
        return [
            (f"call_{n}", names[name], json.dumps(arguments, ensure_ascii=bool(n % 2)))
            for n, (name, arguments) in enumerate(self.calls)
        ]


@asynccontextmanager
async def connected(name: str) -> AsyncGenerator[tuple[Server, Any], None]:
    made = Server(WIRES[name])
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{made.wire.path}"
        provider = providers.load("llm", PROVIDERS, f"{name}:m", base_url=url, api_key="k")
        try:
            yield made, provider
        finally:
            await provider.aclose()


async def answered(provider: Any, request: AnswerRequest) -> tuple[list[ToolCall], list[Value]]:
    async with aclosing(provider.answer(request)) as values:
        found = [value async for value in values]
    return [value for value in found if isinstance(value, ToolCall)], found


def asked(task: dict[str, Any]) -> AnswerRequest:
    tools = [
        Tool(name=t["name"], description=described(t), parameters=json.dumps(t["parameters"])) for t in task["tools"]
    ]
    return AnswerRequest(messages=[ChatMessage(role=Role.ROLE_USER, text=task["question"])], tools=tools)


def described(tool: dict[str, Any]) -> str:
    """The server knows a tool by this, whatever its name on the wire."""
    return f"{tool['name']}: {tool['description']}"


def told_names(server: Server) -> dict[str, str]:
    """The name on the wire of each tool's own."""
    return {description.partition(": ")[0]: name for name, description, _ in server.wire.tools(server.body)}


def told_of_tools(server: Server, task: dict[str, Any]) -> bool:
    """All of them, whole, under names that the vendor takes."""
    told = server.wire.tools(server.body)
    whole = [(described(t), t["parameters"]) for t in task["tools"]]
    fit = all(re.fullmatch(server.wire.takes, name) for name, *_ in told)
    return fit and whole == [(description, schema) for _, description, schema in told]


def told_of_calls(server: Server, calls: list[ToolCall], results: list[str]) -> bool:
    names = told_names(server)
    earlier, given = server.wire.earlier(server.body)
    wanted = [(names[call.name], json.loads(call.arguments)) for call in calls]
    if [(name, json.loads(arguments)) for _, name, arguments in earlier] != wanted:
        return False
    ids = [id_ for id_, *_ in earlier]
    whole = [(id_, result) for id_, result in zip(ids, results, strict=True)]
    return given == whole and (not any(ids) or len(set(ids)) == len(calls))


@pytest.mark.parametrize("name", sorted(WIRES))
async def test_nothing_of_a_tool_or_its_call_is_lost_in_either_direction(name: str) -> None:
    wrong = []
    async with connected(name) as (server, provider):
        for task in TASKS:
            server.calls, request = truth.right_calls(task), asked(task)
            calls, values = await answered(provider, request)
            made = [(call.name, json.loads(call.arguments)) for call in calls]
            usage = values[-1]
            assert isinstance(usage, Usage)
            ended = Finish.FINISH_TOOL_CALLS if server.calls else Finish.FINISH_STOP
            same = json.dumps(made) == json.dumps(server.calls) and truth.matches(task, made)
            if not (same and usage.finish == ended and told_of_tools(server, task)):
                wrong.append(task["id"])
                continue
            results = [f"result {n}" for n in range(len(calls))]
            request.messages.add(role=Role.ROLE_ASSISTANT, tool_calls=calls)
            for call, result in zip(calls, results, strict=True):
                request.messages.add(role=Role.ROLE_TOOL, tool_call_id=call.id, text=result)
            server.calls = []
            await answered(provider, request)
            if calls and not told_of_calls(server, calls, results):
                wrong.append(task["id"])
    assert wrong == [], f"{len(TASKS) - len(wrong)} of {len(TASKS)} match"


def test_the_judge_knows_right_from_wrong() -> None:
    task = {"calls": [{"f": {"a": [1, 2], "b": ["x", ""], "c": [[{"k": [True]}], ""]}}]}
    assert truth.right_calls(task) == [("f", {"a": 1, "b": "x", "c": [{"k": True}]})]
    assert truth.matches(task, [("f", {"a": 2})])
    for wrong in (
        [],
        [("g", {"a": 1})],
        [("f", {"b": "x"})],
        [("f", {"a": 1.0})],
        [("f", {"a": 3})],
        [("f", {"a": 1, "d": 1})],
        [("f", {"a": 1, "c": [{"k": 1}]})],
        [("f", {"a": 1}), ("f", {"a": 1})],
    ):
        assert not truth.matches(task, wrong)


def test_the_sample_is_of_all_four_sets() -> None:
    sets = [task["id"].rsplit("_", 1)[0] for task in TASKS]
    assert len(TASKS) >= 50 and set(sets) == {"simple_python", "multiple", "parallel", "irrelevance"}
    assert all(bool(task["calls"]) != task["id"].startswith("irrelevance") for task in TASKS)
