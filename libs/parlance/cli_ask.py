"""How commands reach a running platform, or the journal where nothing runs."""

import asyncio
import json
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from parlance import config, tls
from parlance.cli_offline import Offline
from parlance.cli_talk import NotRunning
from parlance.client import Client
from parlance.errors import Mistrusted, Unreachable

T = TypeVar("T")
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
console, errors = Console(highlight=False), Console(stderr=True, highlight=False)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


async def from_running(method: str, request: Any) -> Any:
    settings = config.load()
    async with Client(settings.gateways, tls.own(settings.tls, tls.OPERATOR)) as client:
        try:
            return await client.ask(method, request)
        except Mistrusted:
            raise
        except Unreachable as exc:
            raise NotRunning(settings.gateways) from exc


async def streamed(method: str, request: Any) -> AsyncGenerator[Any, None]:
    """The answers of a method of the running platform, as they come; to be consumed inside aclosing."""
    settings = config.load()
    async with Client(settings.gateways, tls.own(settings.tls, tls.OPERATOR)) as client:
        try:
            async with aclosing(client.stream(method, request)) as answers:
                async for answer in answers:
                    yield answer
        except Mistrusted:
            raise
        except Unreachable as exc:
            raise NotRunning(settings.gateways) from exc


async def anywhere(method: str, request: Any) -> Any:
    """From the running platform, or else from the journal on disk."""
    try:
        return await from_running(method, request)
    except NotRunning:
        return await Offline(config.load()).answer(method, request)
