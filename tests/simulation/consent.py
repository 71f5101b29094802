"""Scenarios of a vendor that may see a question only if its user says so."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from unittest import mock

from parlance.rpc import Call
from parlance.v1.llm_service_pb2 import AnswerRequest, AnswerResponse, ConsentNeeded
from services.llm.service import LlmService
from tests.simulation.directed import bodies, until
from tests.simulation.run import Run

VENDOR = "openai"


@contextmanager
def asking() -> Iterator[list[AnswerRequest]]:
    """The model is a partner's. Gives what it was asked with its user's consent."""
    allowed: list[AnswerRequest] = []
    answer = LlmService.answer

    async def needs() -> AsyncGenerator[AnswerResponse, None]:
        yield AnswerResponse(consent_needed=ConsentNeeded(vendor=VENDOR, speaks_as="ChatGPT"))

    async def asks_first(self: LlmService, request: AnswerRequest, call: Call) -> AsyncGenerator[AnswerResponse, None]:
        if VENDOR in request.consents:
            allowed.append(request)
            given = answer(self, request, call)
        else:
            given = self.answers.give(call, "Llm.Answer", request, needs)
        async with aclosing(given) as parts:
            async for part in parts:
                yield part

    with mock.patch.object(LlmService, "answer", asks_first):
        yield allowed


async def dies_with_the_question(run: Run) -> None:
    """Dialogue dies over the question before its turn has ended; handled again, it asks the same, and is answered."""
    with asking():
        run.world.writer_delays["dialogue"] = 0.3
        run.clients[0].say("chat of it")
        await until(run, "reply.v1", "clause")
        run.world.kill(run.stack.lives["dialogue"])
        run.world.writer_delays.clear()
        run.stack.start("dialogue")
        await until(run, "session.v1", "heard")
        run.clients[0].say("yes")
        await until(run, "reply.v1", "completed", 2)


async def dies_with_the_answer(run: Run) -> None:
    """Dialogue dies after the "yes" has been used, while the model speaks; handled again, it goes on with the same."""
    with asking() as allowed:
        run.world.chunk_s = 0.5
        run.clients[0].say("chat of it")
        await until(run, "session.v1", "heard")
        run.clients[0].say("yes")
        while not allowed:
            await asyncio.sleep(0.01)
        run.world.kill(run.stack.lives["dialogue"])
        run.stack.start("dialogue")
        await until(run, "reply.v1", "completed", 2)


async def two_say_yes(run: Run) -> None:
    """The second "yes" has nothing left to answer."""
    with asking():
        run.clients[0].say("chat of it")
        await until(run, "session.v1", "heard")
        for n in (2, 3):
            run.clients[0].say("yes")
            await until(run, "reply.v1", "completed", n)


async def too_soon(run: Run) -> None:
    """A "yes" while the question still sounds asks it again, and the next one answers it."""
    with asking():
        run.world.sound_s = 2.0
        run.clients[0].say("chat of it")
        await until(run, "reply.v1", "completed")
        await asyncio.sleep(0.5)
        run.clients[0].say("yes")
        await until(run, "session.v1", "heard", 2)
        run.clients[0].say("yes")
        await until(run, "reply.v1", "completed", 3)


def said(run: Run) -> list[str]:
    """The clauses of all turns, each once, in their order."""
    seen: dict[str, str] = {}
    for event in bodies(run, "reply.v1", "clause"):
        seen.setdefault(event.header.event_id, run.world.sealing.open(event).clause.text)
    return list(seen.values())
