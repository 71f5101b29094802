"""Where another process, the Faust app, reads the log into the database: this one waits for it."""

import asyncio
from contextlib import suppress

from parlance.bus import Bus
from parlance.errors import ParlanceError, Unavailable
from parlance.events import TOPICS
from services.ledger.projections import READ
from services.ledger.store import LedgerStore, Offsets

# The app saves once a second.
PATIENCE_S = 8.0
_LOOK_S = 0.1


class Follower:
    def __init__(self, bus: Bus, store: LedgerStore) -> None:
        self._bus, self._store = bus, store

    async def start(self) -> bool:
        """The app finds by itself that the log is another one."""
        return False

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.Event().wait()

    def close(self) -> None: ...

    async def up_to_date(self) -> None:
        """Returns when all that stood in the log when it was called is saved. Raises Unavailable where it is not."""
        with suppress(ParlanceError):  # what cannot be written can still be read
            await self._bus.flush()
        wanted = await self._unsaved()
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while wanted:
                    await asyncio.sleep(_LOOK_S)
                    saved = await asyncio.to_thread(self._store.offsets)
                    wanted = {at: end for at, end in wanted.items() if saved.get(at, 0) < end}
        if wanted:
            raise Unavailable(
                f"the ledger is behind in {len(wanted)} of the log's partitions: see that its app runs "
                "(python -m services.ledger.faust_app), and ask again"
            )

    async def _unsaved(self) -> Offsets:
        saved = await asyncio.to_thread(self._store.offsets)
        places = [(topic, part) for topic in READ for part in range(TOPICS[topic].partitions)]
        ends = {at: await self._bus.end(*at) for at in places}
        # What retention has deleted is waited for by nobody.
        return {at: end for at, end in ends.items() if end > saved.get(at, 0) and await self._stands(at, saved)}

    async def _stands(self, at: tuple[str, int], saved: Offsets) -> bool:
        return bool(await self._bus.read(*at, saved.get(at, 0), 1))
