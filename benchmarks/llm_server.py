"""The llm service in a process of its own, as it is served: grpc.aio, the real service, providers on official SDKs.

What becomes of its events is told over its pipe: "list" (made into bytes, as any log wants them, and dropped) or
"journal" (sealed and appended to a journal on the disk, as `parlance run` does). So is the route.
"""

import argparse
import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop
from google.protobuf.json_format import ParseDict

from benchmarks.llm_child import serve
from benchmarks.llm_wire import VENDORS
from parlance import clock, garbage
from parlance.bus_journal import JournalBus
from parlance.events import declared, to_bytes
from parlance.outgoing import record_of
from parlance.privacy import Keys, Sealing
from parlance.rpc_server import GrpcServer
from parlance.v1.control_pb2 import RouteSet
from services.llm import catalogue
from services.llm.breaker import Breaker
from services.llm.parts import Parts
from services.llm.service import LlmService

MODELS = ("good", "stall", "fail", "cut", "other")
# As they are in the shipped catalogue: vendors are partners, one's own server is the house's.
_TIERS = {"compatible": "house"}
_ROOTS = {"compatible": "/v1", "openai": "/v1", "anthropic": "", "google": ""}


def base_url(vendor: str, port: int) -> str:
    return f"http://127.0.0.1:{port}{_ROOTS[vendor]}"


class Events:
    def __init__(self, bus: JournalBus, sealing: Sealing) -> None:
        self._bus, self._sealing = bus, sealing
        self.kept = "list"
        self.count = 0

    def publish(self, event: Any) -> None:
        self.count += 1
        if self.kept == "list":
            to_bytes(event)
        else:
            self._bus.append([record_of(event, self._sealing.seal)], lazy=True)


def _catalogue(home: Path, port: int) -> Path:
    price = {"since": "2020-01-01", "input": "1", "output": "5", "cache_read": "0.1", "cache_write": "1.25"}
    entries = {}
    for vendor in VENDORS:
        for model in MODELS:
            entry = {"tier": _TIERS.get(vendor, "partner"), "vendor": vendor, "base_url": base_url(vendor, port)}
            entry |= {"api_key_env": "BENCH_KEY", "context_tokens": "100000", "max_output_tokens": "10000"}
            entry |= {"capabilities": ["chat", "tools"], "prices": [price]}
            if vendor == "google":
                entry["settings"] = {"api_version": "v1beta"}
            entries[f"{vendor}:{model}"] = entry
    file = home / "catalogue.yaml"
    file.write_text(json.dumps({"models": entries}))
    return file


async def main(home: Path, port: int) -> None:
    route = RouteSet()
    async with AsyncExitStack() as stack:
        bus = JournalBus(home / "journal.db")
        bus.declare(declared())
        await bus.start()
        stack.push_async_callback(bus.stop)
        events = Events(bus, Sealing(Keys(home / "keys.json")))
        # Failures are asked for here, hundreds in a row: a breaker would rightly leave those targets alone.
        patient = Breaker(lambda: clock.now_us() / 1e6, failures=10**9)
        parts = Parts(models=catalogue.load(_catalogue(home, port)), breaker=patient)
        service = LlmService(events.publish, lambda: route, lambda name: "sk-bench", parts)
        await stack.enter_async_context(service)
        server = GrpcServer({"Llm": service}, "127.0.0.1:0")
        await server.start()
        stack.push_async_callback(server.stop)
        garbage.settle()

        async def asked(words: dict[str, Any]) -> dict[str, Any]:
            if "route" in words:
                route.Clear()
                ParseDict(words["route"], route)
            events.kept = words.get("events", events.kept)
            await bus.flush()
            return {"events": events.count, "kept": len(service.answers._known), "tasks": len(asyncio.all_tasks())}

        await serve({"port": server.port}, asked)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("home", type=Path)
    arguments.add_argument("port", type=int, help="of benchmarks/llm_upstream.py")
    given = arguments.parse_args()
    sys.exit(uvloop.run(main(given.home, given.port)))
