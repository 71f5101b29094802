"""What the command line reads from the journal itself, so that the past can be told without a running platform."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

from google.protobuf.message import DecodeError

from parlance import clock, ids
from parlance.bus import Bus, Out
from parlance.bus_choice import for_looking
from parlance.config import Config
from parlance.deadletters import letter_of
from parlance.errors import InvalidRequest
from parlance.events import STAGES, TOPICS, dead_topic, declared, parse, to_bytes, wrap
from parlance.history import History
from parlance.privacy import Keys, Sealing
from parlance.routes import CONTROL, DEFAULTS
from parlance.v1.control_pb2 import ControlEvent, DeadLetterReplay
from parlance.v1.dead_pb2 import DeadLetter
from parlance.v1.gateway_service_pb2 import ListRoutesResponse, ListTurnsResponse
from parlance.v1.turn_pb2 import Header

_BATCH = 1000


class Offline:
    def __init__(self, config: Config) -> None:
        self._config = config

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Bus, None]:
        """The log, to read; a platform may run on it."""
        bus = for_looking(self._config)
        bus.declare(declared())
        await bus.start()
        try:
            yield bus
        finally:
            await bus.stop()

    async def answer(self, method: str, request: Any) -> Any:
        """What Gateway's method of this name would say."""
        async with self.open() as bus:
            if method == "ListRoutes":
                return ListRoutesResponse(routes=await self._routes(bus))
            history = History(bus, Sealing(Keys(self._config.keys)))
            if method == "ListTurns":
                return ListTurnsResponse(turns=await history.newest(request.limit))
            return await history.turn(request.turn_id)

    async def _routes(self, bus: Bus) -> list[Any]:
        current = dict(DEFAULTS)
        for record in await _all(bus, CONTROL, TOPICS[CONTROL].partitions):
            with suppress(DecodeError):  # the services skip it too
                event = parse(record.topic, record.value)
                if event.WhichOneof("event") == "route":
                    current[event.route.stage] = event.route
        return [current[s] for s in sorted(current)]

    async def letters(self) -> list[tuple[str, DeadLetter]]:
        """Dead letters of all stages, newest first, each with its address "stage/offset"."""
        found = []
        async with self.open() as bus:
            for stage in STAGES:
                for record in await _all(bus, dead_topic(stage).name, 1):
                    found.append((f"{stage}/{record.offset}", letter_of(stage, record)))
        return sorted(found, key=lambda f: f[1].died_at_us, reverse=True)

    async def replay_letter(self, letter: str) -> str:
        """Asks the letter's stage to handle it again; tells what will come of it."""
        found = dict(await self.letters()).get(letter)
        if found is None:
            raise InvalidRequest(f"there is no dead letter '{letter}'; see 'parlance dlq'")
        if not _is_event(found):
            raise InvalidRequest(f"{letter} cannot be handled: {found.error.message}; it is kept to be looked at")
        stage, _, offset = letter.partition("/")
        body = DeadLetterReplay(stage=stage, partition=0, offset=int(offset))
        event = wrap(ControlEvent, Header(event_id=ids.new(), accepted_at_us=clock.now_us()), body)
        async with self.open() as bus:
            await bus.publish(Out(CONTROL, 0, f"replay/{stage}/current".encode(), to_bytes(event)))
        if found.turn_id:
            return f"{stage} handles {letter} again; turn {found.turn_id[:8]} has ended, so nothing more is said in it"
        return f"{stage} handles {letter} again; if it fails, it comes back as a new dead letter"


def _is_event(letter: DeadLetter) -> bool:
    try:
        return letter.topic in TOPICS and bool(parse(letter.topic, letter.value).WhichOneof("event"))
    except DecodeError:
        return False


async def _all(bus: Bus, topic: str, partitions: int) -> list[Any]:
    found = []
    for partition in range(partitions):
        start = 0
        while records := await bus.read(topic, partition, start, _BATCH):
            found.extend(records)
            start = records[-1].offset + 1
    return found
