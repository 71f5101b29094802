"""The same services with the turn contract switched off: what the contract costs is the difference.

Off are: sealing, derived ids, dialogue's row and the snapshot of it, known event ids, the record of answers.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from benchmarks.stack import Pieces
from parlance import ids
from parlance.answers import Answers, Begin
from parlance.bus import Out
from parlance.bus_journal import JournalBus
from parlance.privacy import Keys, Sealing
from parlance.rpc import Call
from parlance.store_sqlite import SqliteStore
from services.dialogue import rows


class Unsealed(Sealing):
    """Everything stands in the log as it is."""

    def __init__(self) -> None:
        super().__init__(Keys(Path("nowhere")))

    def seal(self, event: Any) -> bytes:
        data: bytes = event.SerializeToString()
        return data

    def open(self, event: Any) -> Any:
        return event

    def seal_bytes(self, user: str, what: str, data: bytes) -> bytes:
        return data

    def open_bytes(self, user: str, what: str, data: bytes) -> bytes:
        return data


class Rowless(SqliteStore):
    """Appends what a change caused, and keeps no row."""

    def __init__(self, bus: JournalBus) -> None:
        super().__init__(bus)
        self._appending = bus

    async def load(self, stage: str, session: str) -> tuple[int, bytes | None]:
        return 0, None

    def save(  # noqa: PLR0913 - as the protocol has it
        self, stage: str, session: str, version: int, row: bytes | None, due_us: int | None, outbox: Sequence[Out] = ()
    ) -> "asyncio.Future[int]":
        if outbox:
            self._appending.append(outbox)
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        done.set_result(version + 1)
        return done


class Forgetful(OrderedDict[str, None]):
    """Knows nothing again."""

    def __setitem__(self, key: str, value: None) -> None:
        return

    def __contains__(self, key: object) -> bool:
        return False


class Unrecorded:
    """Answers go straight from the provider to whoever asks. `kept` is the record in whose place it stands."""

    def __init__(self, kept: Answers) -> None:
        self._kept = kept

    async def give(self, call: Call, method: str, request: Message, begin: Begin) -> AsyncGenerator[Any, None]:
        async with aclosing(begin()) as chunks:
            async for chunk in chunks:
                yield chunk

    async def cancel(self, call_id: str) -> bool:
        return True

    async def __aexit__(self, *exc: object) -> None:
        await self._kept.__aexit__(*exc)


def switch_off(pieces: Pieces) -> None:
    """Takes the contract out of pieces that were built with `Unsealed` and `Rowless` and do not run yet."""
    dialogue: Any = pieces.dialogue
    for stage in (pieces.intent, pieces.dialogue.stage):
        stage._known = Forgetful()
    dialogue._sessions._pack = lambda session: b""
    dialogue._running._begin = _without_snapshot
    llm: Any = pieces.llm
    llm.answers = Unrecorded(llm.answers)


async def _without_snapshot(session: Any, turn: Any, event: Any) -> None:
    turn.snapshot.CopyFrom(rows.snapshot_of(session.row))


@contextmanager
def random_ids() -> Iterator[None]:
    """Ids that derive from nothing, as cheap as they come. For the whole process."""
    derived = ids._uuid5
    ids._uuid5 = lambda name: f"{random.getrandbits(128):032x}"
    try:
        yield
    finally:
        ids._uuid5 = derived
