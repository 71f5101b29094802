"""Actions on a real journal that can be closed and opened again, and what is asked of them."""

import asyncio
from pathlib import Path
from typing import Any

from parlance import clock, ids
from parlance.bus_journal import JournalBus
from parlance.events import TOPICS, parse, topic_of
from parlance.privacy import Keys, Sealing
from parlance.rpc import Call, one
from parlance.store_sqlite import SqliteStore
from parlance.v1.actions_service_pb2 import RunRequest, RunResponse, SettleRequest
from parlance.v1.effect_pb2 import EffectEvent
from parlance.v1.intent_pb2 import Slot
from parlance.v1.turn_pb2 import Header
from services.actions.service import ActionsService
from services.actions.ticker import Ticker

TOPIC = topic_of(EffectEvent)


class Home:
    """Actions on a journal that can be closed and opened again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.sealing = Sealing(Keys(path / "keys.json"))

    async def open(self) -> None:
        self.bus = JournalBus(self._path / "journal.db")
        self.bus.declare(list(TOPICS.values()))
        self.store = SqliteStore(self.bus)
        await self.bus.start()
        self.ticker = Ticker(self.store, self.sealing)
        self.service = ActionsService(self.store, self.sealing, self.ticker)
        await self.service.start()

    async def close(self) -> None:
        await self.bus.stop()

    async def run(self, action: str, text: str = "", call: Call | None = None, **slots: str) -> RunResponse:
        return await one(self.service.run(new_request(action, text, **slots), call or new_call()))

    async def settle(self, call_id: str, header: Header | None = None) -> Any:
        return await one(self.service.settle(SettleRequest(call_id=call_id), new_call("settle", header=header)))

    async def events(self) -> list[Any]:
        """All of effect.v1, opened."""
        records = [r for p in range(TOPIC.partitions) for r in await self.bus.read(TOPIC.name, p, 0)]
        return [self.sealing.open(parse(TOPIC.name, r.value)) for r in records]

    async def raw(self) -> bytes:
        return b"".join(file.read_bytes() for file in self._path.glob("journal.db*"))


def new_header(**fields: Any) -> Header:
    known = {
        "event_id": "cause-1",
        "turn_id": "turn-1",
        "session_id": "session-1",
        "user_id": "anna",
        "device_id": "kitchen",
        "time_zone": "Europe/London",
        "reply_partition": 3,
    }
    return Header(**{**known, **fields})


def new_call(call_id: str = "", *, header: Header | None = None, seconds: float = 30.0) -> Call:
    return Call(call_id or ids.new(), header or new_header(), asyncio.get_running_loop().time() + seconds)


def new_request(action: str, text: str = "", **slots: str) -> RunRequest:
    return RunRequest(
        action=action,
        text=text,
        slots=[Slot(name=name, value=value) for name, value in slots.items()],
        now_us=clock.now_us(),
        time_zone="Europe/London",
    )
