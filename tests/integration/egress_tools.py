"""A proxy that counts, in a process of its own, and whether a record of what left agrees with it."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

WITHIN = 64 << 10


class Proxy:
    """`port`: where it listens."""

    def __init__(self, port: int, process: asyncio.subprocess.Process) -> None:
        self.port, self._process = port, process

    async def seen(self) -> dict[int, dict[str, Any]]:
        """What passed, by the number of the question; it has ended then."""
        told, _ = await self._process.communicate(b"")
        return {exchange["question"]: exchange for exchange in json.loads(told)}


@asynccontextmanager
async def counting(target_port: int) -> AsyncGenerator[Proxy, None]:
    async with started("tests.integration.counting_proxy", str(target_port)) as process:
        assert process.stdout is not None
        yield Proxy(int(await process.stdout.readline()), process)


@asynccontextmanager
async def started(module: str, *words: str) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", module, *words, stdin=pipe, stdout=pipe)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def disagreements(told: dict[int, Any], seen: dict[int, dict[str, Any]]) -> list[Any]:
    """`told`: EgressRecorded by the number of the question."""
    return [(n, seen[n], str(record)) for n, record in told.items() if not _agrees(record, seen[n])]


def _agrees(told: Any, seen: dict[str, Any]) -> bool:
    if told.estimated or told.bytes_sent != seen["sent"]:
        return False
    if told.cut:
        return abs(told.bytes_received - seen["received"]) <= WITHIN
    return bool(seen["whole"] and told.bytes_received == seen["received"])
