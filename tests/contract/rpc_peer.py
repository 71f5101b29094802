"""The other end of a call in a process of its own, to be killed or frozen: `python -m tests.contract.rpc_peer`."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress

from parlance.rpc_grpc import GrpcCarrier
from parlance.rpc_server import GrpcServer
from tests.contract.rpc_services import Llm, answers, ask


@asynccontextmanager
async def peer(role: str, port: int, until: bytes) -> AsyncIterator[Process]:
    """A process that serves at, or asks, this port, once it has printed `until`. Killed at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, role, str(port), stdout=PIPE, env={"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    try:
        assert process.stdout is not None
        assert (await process.stdout.readline()).strip() == until
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def serve(port: int) -> None:
    llm = Llm()
    llm.behave = answers("one", hang=True)
    server = GrpcServer({"Llm": llm}, f"127.0.0.1:{port}")
    await server.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


async def client(port: int) -> None:
    async with aclosing(ask(GrpcCarrier({"Llm": f"127.0.0.1:{port}"}))) as responses:
        async for response in responses:
            print(response.text, flush=True)


if __name__ == "__main__":
    asyncio.run({"serve": serve, "ask": client}[sys.argv[1]](int(sys.argv[2])))
