"""A process of the benchmark that is told what to do: a line of JSON in, a line of JSON out."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

_MOST_BYTES = 64 * 2**20


class Child:
    """`python -m MODULE words`; use it as `async with`. `told`: what it said when it was ready."""

    def __init__(self, module: str, *words: str) -> None:
        self._words = (sys.executable, "-m", module, *words)
        self.told: dict[str, Any] = {}

    async def __aenter__(self) -> "Child":
        pipe = asyncio.subprocess.PIPE
        environment = {**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0", "GRPC_VERBOSITY": "ERROR"}
        self._process = await asyncio.create_subprocess_exec(
            *self._words, stdin=pipe, stdout=pipe, env=environment, limit=_MOST_BYTES
        )
        self.told = await self._answer()
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ask(self, **words: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words).encode() + b"\n")
        return await self._answer()

    async def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._words[2]} has ended")
        told: dict[str, Any] = json.loads(line)
        return told


async def serve(ready: dict[str, Any], asked: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]) -> None:
    """In the child: until its parent closes the pipe."""
    reader = asyncio.StreamReader(limit=_MOST_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print(json.dumps(ready), flush=True)
    while line := await reader.readline():
        print(json.dumps(await asked(json.loads(line))), flush=True)


def cpu_ms(pid: int) -> float:
    """CPU time that all threads of a process have used so far, to the microsecond (Linux: its CPU clock)."""
    return time.clock_gettime((~pid << 3) | 2) * 1000
