"""A vendor's language model without the vendor: OpenAI's Chat Completions over HTTP, with its waits and its faults.

    python -m infra.emulators.model --slots 8 --fault 429:0.1 --fault 'cut:break off'
    parlance routes set llm compatible:emulated --set base_url=http://127.0.0.1:8000/v1

POST /v1/chat/completions (streamed or whole), GET /v1/models, GET /health. No key is asked for, one connection a
request. Ctrl-C or SIGTERM ends it, and it tells how many questions ended how.
"""

import argparse
import asyncio
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

from infra.emulators import chat, settings, wire
from infra.emulators.settings import BadSettings, Fault, Settings
from infra.emulators.wire import HungUp, Refusal

_ROUTES = {"/v1/chat/completions": "POST", "/v1/models": "GET", "/health": "GET"}


class Model:
    """`url`: its base_url, while it serves. `taken`: questions that were not refused at once; `ended`: questions by how
    they ended."""

    def __init__(self, how: Settings) -> None:
        self._how = how
        self._slots = asyncio.Semaphore(how.slots)
        self._chance = random.Random(how.seed)
        self._open: dict[asyncio.Task[Any] | None, asyncio.StreamWriter] = {}
        self.taken = 0
        self.ended: Counter[str] = Counter()
        self.url = ""

    @asynccontextmanager
    async def serving(self, host: str = "127.0.0.1", port: int = 0) -> AsyncGenerator["Model", None]:
        """`port` 0: a free one. Raises OSError where it cannot listen there. Its end cuts what is still open."""
        server = await asyncio.start_server(self._serve, host, port)
        self.url = f"http://{host}:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            server.close()
            await asyncio.sleep(0)  # those that were just let in are among the open ones then
            for writer in self._open.values():
                writer.transport.abort()
            if serving := [task for task in self._open if task]:
                await asyncio.wait(serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._open[task] = writer
        try:
            await self._respond(reader, writer)
        except Refusal as refusal:
            writer.write(refusal.response())
        except (HungUp, ConnectionError):
            pass
        finally:
            del self._open[task]
            writer.close()

    async def _respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await wire.read(reader)
        if (method := _ROUTES.get(request.path)) is None:
            raise Refusal(404, f"there is no {request.path}; there are {', '.join(_ROUTES)}", "unknown_url")
        if request.method != method:
            raise Refusal(405, f"{request.path} takes {method}", "method_not_supported")
        if request.path == "/health":
            writer.write(wire.response({"status": "ok"}))
        elif request.path == "/v1/models":
            listed = [{"id": m, "object": "model", "created": 0, "owned_by": "emulator"} for m in self._how.models]
            writer.write(wire.response({"object": "list", "data": listed}))
        else:
            await self._chat(request.body, reader, writer)

    async def _chat(self, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers and counts."""
        how = "hung up"
        try:
            how = await self._answer(chat.asked(body, self._how.models), reader, writer)
        except Refusal as refusal:
            how = str(refusal.status)
            raise
        finally:
            self.ended[how] += 1

    async def _answer(self, asked: chat.Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        fault = self._fault(asked.question)
        if fault is not None:
            _refuse(fault)
        self.taken += 1
        reply = chat.reply(asked, self._text(asked.question), self.taken)
        async with self._slots:
            if reader.at_eof():  # it waited and went: its turn costs nobody anything
                raise HungUp
            await (_stream if asked.stream else _whole)(self._how, reply, fault, reader, writer)
        return fault.fault if fault else "answered"

    def _fault(self, question: str) -> Fault | None:
        for fault in self._how.faults:
            if _has(question, fault.contains) and (fault.share == 1 or self._chance.random() < fault.share):
                return fault
        return None

    def _text(self, question: str) -> str:
        return next((a.text for a in self._how.answers if _has(question, a.contains)), settings.TEXT)


def _has(question: str, words: str) -> bool:
    return words.lower() in question.lower()


def _refuse(fault: Fault) -> None:
    if fault.fault == "429":
        refusal = Refusal(429, "asked too often: this is emulated", "rate_limit_exceeded")
        refusal.headers["Retry-After"] = str(fault.retry_after_s)
        raise refusal
    if fault.fault == "500":
        raise Refusal(500, "the server failed: this is emulated")


async def _stream(
    how: Settings, reply: chat.Reply, fault: Fault | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    count = len(reply.pieces)
    events = [reply.event(n) for n in range(fault.begins(count) if fault else count)]
    if fault is None:
        events[-1] += reply.end()
    if not how.chunk_delay_s:
        events = [b"".join(events)]
    await _pause(reader, how.first_delay_s)
    head = wire.STREAM
    for n, event in enumerate(filter(None, events)):
        if n:
            await _pause(reader, how.chunk_delay_s)
        writer.write(head + wire.chunk(event))
        head = b""
        await writer.drain()
    if fault is None:
        writer.write(wire.END)
    elif fault.fault == "stall":
        await _silence(reader)
    else:
        writer.write(head)  # a cut before the first piece: the head alone


async def _whole(
    how: Settings, reply: chat.Reply, fault: Fault | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    data = wire.response(reply.whole())
    await _pause(reader, how.first_delay_s + how.chunk_delay_s * len(reply.pieces))
    if fault is not None and fault.fault == "stall":
        await _silence(reader)
    else:
        writer.write(data if fault is None else data[:-20])


async def _silence(reader: asyncio.StreamReader) -> None:
    """Until the client has had enough."""
    with suppress(HungUp):
        await _pause(reader, None)


async def _pause(reader: asyncio.StreamReader, seconds: float | None) -> None:
    """None: for ever. Raises HungUp as soon as the client is gone, as a real server frees its slot."""
    if seconds == 0:
        return
    try:
        async with asyncio.timeout(seconds):
            while await reader.read(1024):
                pass  # more than one request a connection: not served
    except TimeoutError:
        return
    raise HungUp


def _said(arguments: argparse.Namespace) -> dict[str, Any]:
    """File and flags as one; what a flag says comes first."""
    said = settings.load(arguments.settings) if arguments.settings else {}
    names = ("slots", "first_delay_s", "chunk_delay_s", "models", "seed")
    said.update({name: value for name in names if (value := getattr(arguments, name)) is not None})
    if arguments.answer is not None:
        said["answers"] = [{"text": arguments.answer}]
    if arguments.fault and isinstance(said.setdefault("faults", []), list):
        said["faults"] = [*map(settings.fault, arguments.fault), *said["faults"]]
    return said


async def _run(model: Model, host: str, port: int) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with model.serving(host, port):
        print(f"ready: {model.url}", flush=True)
        await stop.wait()
    told = ", ".join(f"{how}: {n}" for how, n in sorted(model.ended.items()))
    print(f"questions by how they ended: {told or 'none'}", flush=True)


def _arguments() -> argparse.Namespace:
    usual = Settings()
    parser = argparse.ArgumentParser(
        prog="python -m infra.emulators.model",
        description=__doc__,
        epilog=settings.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="where it listens (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="8000; 0: a free one")
    parser.add_argument("--settings", metavar="FILE", help="a JSON file, see below; flags come first")
    parser.add_argument("--slots", type=int, help=f"answers at once ({usual.slots})")
    parser.add_argument("--first-delay-s", type=float, metavar="S", help=f"to the first piece ({usual.first_delay_s})")
    parser.add_argument("--chunk-delay-s", type=float, metavar="S", help=f"between pieces ({usual.chunk_delay_s})")
    parser.add_argument("--model", action="append", dest="models", metavar="NAME", help="its name (emulated)")
    parser.add_argument("--seed", type=int, help=f"of chance ({usual.seed})")
    parser.add_argument("--answer", metavar="TEXT", help="what it says to everything")
    parser.add_argument("--fault", action="append", metavar="KIND:SHARE|KIND:WORDS", help="before those of the file")
    return parser.parse_args()


def main() -> int:
    """2: a setting is wrong; 1: it cannot listen there."""
    arguments = _arguments()
    try:
        how = settings.made(_said(arguments))
        if not 0 <= arguments.port <= 65535:
            raise BadSettings(f"--port is a number from 0 to 65535, not {arguments.port}")
    except BadSettings as exc:
        print(f"model: {exc}", file=sys.stderr)
        return 2
    try:
        asyncio.run(_run(Model(how), arguments.host, arguments.port))
    except OSError as exc:
        print(f"model: cannot listen at {arguments.host}:{arguments.port}: {exc.strerror or exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
