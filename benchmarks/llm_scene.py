"""The processes of the benchmark of llm: upstream, llm, the SDKs alone, and LiteLLM's proxy if there is one."""

import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.llm_asker import Asker
from benchmarks.llm_child import Child
from benchmarks.llm_peer import KEY, Peer


@dataclass(frozen=True, slots=True)
class Scene:
    """`peer`: None where it was left out."""

    upstream: Child
    llm: Child
    sdks: Child
    asker: Asker
    peer: Peer | None


@asynccontextmanager
async def scene(venv: Path | None) -> AsyncIterator[Scene]:
    """`venv`: the virtual environment that has LiteLLM's proxy."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = await stack.enter_async_context(Child("benchmarks.llm_upstream"))
        port = upstream.told["port"]
        llm = await stack.enter_async_context(Child("benchmarks.llm_server", str(home), str(port)))
        peer = await stack.enter_async_context(Peer(venv, home, port)) if venv else None
        at = ["--proxy", str(peer.port), "--key", KEY] if peer else []
        sdks = await stack.enter_async_context(Child("benchmarks.llm_sdks", str(port), *at))
        asker = await stack.enter_async_context(Asker(llm))
        yield Scene(upstream, llm, sdks, asker, peer)


def tell(what: str) -> None:
    """How far it is."""
    print(what, file=sys.stderr, flush=True)
