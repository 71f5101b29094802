"""Sends the spans of turns that have ended to a collector. They are a projection of the log, so nothing waits for it:
what a collector did not take, `parlance turn ID` still shows. Personal fields stay sealed.
"""

import asyncio
from collections import OrderedDict

from parlance.bus import Bus, Record
from parlance.errors import ParlanceError
from parlance.events import kind, payload
from parlance.history import Past, seen_in
from parlance.log import logger
from parlance.otlp import send
from parlance.telemetry import spans
from services.ledger.projections import READ

_EVERY_S = 2.0
# What was heard, used and spoken is told after a turn's end; what was heard, when all of it has sounded.
_SETTLE_S = 5.0
# Turns without an end that are remembered; older ones are forgotten.
_OPEN_MOST = 5_000


class Traces:
    """`url`: the collector's, such as http://127.0.0.1:4318."""

    def __init__(self, bus: Bus, url: str) -> None:
        self._bus, self._url = bus, url
        self._turns: OrderedDict[str, Past] = OrderedDict()
        # When a turn's end was seen, by the loop's clock.
        self._ended: OrderedDict[str, float] = OrderedDict()
        self._warned = False

    async def run(self) -> None:
        """Until cancelled, from now on."""
        subscription = self._bus.subscribe(None, READ, self._deliver)
        try:
            while True:
                await asyncio.sleep(_EVERY_S)
                await self._send(asyncio.get_running_loop().time())
        finally:
            await subscription.stop()

    def _deliver(self, records: list[Record]) -> None:
        now = asyncio.get_running_loop().time()
        for record in records:
            seen = seen_in(record)
            if seen is None:
                continue
            header = seen.event.header
            past = self._turns.get(header.turn_id)
            if past is None:
                past = self._turns[header.turn_id] = Past(header)
            if header.event_id not in past.ids:
                past.ids.add(header.event_id)
                past.seen.append(seen)
            if kind(seen.event) == "completed":
                self._ended.setdefault(header.turn_id, now)
        while len(self._turns) > _OPEN_MOST:
            turn_id, _ = self._turns.popitem(last=False)
            self._ended.pop(turn_id, None)

    async def _send(self, now: float) -> None:
        ready = [turn_id for turn_id, at in self._ended.items() if at + _settles_s(self._turns[turn_id]) <= now]
        pasts = []
        for turn_id in ready:
            del self._ended[turn_id]
            pasts.append(self._turns.pop(turn_id))
        if not pasts:
            return
        try:
            await asyncio.to_thread(send, self._url, [span for past in pasts for span in spans(past)])
            self._warned = False
        except ParlanceError as exc:
            if not self._warned:
                logger.warning("%d turns are not traced: %s", len(pasts), exc.message)
            self._warned = True


def _settles_s(past: Past) -> float:
    """How long after a turn's end more may be told of it."""
    spoken = [payload(s.event).audio_ms for s in past.seen if kind(s.event) == "spoken"]
    heard = any(kind(s.event) == "heard" for s in past.seen)
    return _SETTLE_S + (0.0 if heard else sum(spoken) / 1000)
