import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from parlance import ids
from parlance.bus import Bus
from parlance.errors import Unavailable
from parlance.events import parse, wrap
from parlance.outgoing import record_of
from parlance.v1.llm_pb2 import LlmAnswered, LlmEvent
from parlance.v1.llm_service_pb2 import AnswerBegan, AnswerFinished, AnswerResponse, CancelResponse
from parlance.v1.turn_pb2 import AnswerRecorded, End, Header


class Running:
    def __init__(self, header: Header) -> None:
        self.header = header
        self.chunks: list[bytes] = []
        self.done = False
        self.recorded = False
        self.end = End.END_UNSPECIFIED
        self.changed = asyncio.Event()
        self.task: Any = None

    def tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class StandinLlm:
    def __init__(self, bus: Bus, sealing: Any, provider: Any, group: asyncio.TaskGroup) -> None:
        self.bus, self.sealing, self.provider, self.group = bus, sealing, provider, group
        self.known: dict[str, Running] = {}

    async def recover(self) -> None:
        for p in range(4):
            for record in await self.bus.read("llm.v1", p, 0, 100000):
                event = self.sealing.open(parse(record.topic, record.value))
                if event.WhichOneof("event") != "answered":
                    continue
                r = Running(event.header)
                r.chunks = list(event.answered.answer.chunks)
                r.done = r.recorded = True
                r.end = event.answered.answer.end
                self.known.setdefault(event.answered.answer.call_id, r)

    async def answer(self, request: Any, call: Any) -> AsyncGenerator[Any, None]:
        r = self.known.get(call.id)
        if r is None:
            if call.begun:
                raise Unavailable("the answer is gone")
            r = self.known[call.id] = Running(call.header)
            r.task = self.group.create_task(self._run(call, request, r))
        i = 0
        while True:
            while i < len(r.chunks):
                i += 1
                yield AnswerResponse.FromString(r.chunks[i - 1])
            if r.done:
                if r.end != End.END_COMPLETE:
                    raise Unavailable("the answer was cut")
                return
            await r.changed.wait()

    async def _run(self, call: Any, request: Any, r: Running) -> None:
        try:
            r.chunks.append(AnswerResponse(began=AnswerBegan(provider="sim", route_version="v0")).SerializeToString())
            async for text in self.provider(request):
                r.chunks.append(AnswerResponse(text=text).SerializeToString())
                r.tell()
            r.chunks.append(AnswerResponse(finished=AnswerFinished()).SerializeToString())
            await self._record(call.id, r, End.END_COMPLETE)
        except asyncio.CancelledError:
            raise
        r.tell()

    async def _record(self, call_id: str, r: Running, end: Any) -> None:
        h = Header()
        h.CopyFrom(r.header)
        h.event_id = ids.derived(call_id, "answered")
        r.end = end
        body = LlmAnswered(answer=AnswerRecorded(call_id=call_id, method="Llm.Answer", chunks=r.chunks, end=end, provider="sim"))
        await self.bus.publish(record_of(wrap(LlmEvent, h, body), self.sealing.seal))
        r.done = r.recorded = True

    async def cancel(self, request: Any, call: Any) -> AsyncGenerator[Any, None]:
        r = self.known.get(request.call_id)
        if r is None:
            yield CancelResponse(recorded=False)
            return
        if not r.done:
            if r.task is not None and r.end == End.END_UNSPECIFIED:
                r.task.cancel()
                await self._record(request.call_id, r, End.END_CANCELLED)
                r.tell()
            else:
                while not r.done:
                    await r.changed.wait()
        yield CancelResponse(recorded=True)
