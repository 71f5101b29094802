"""When the log takes nothing: who asks then is refused at the door, and who waits is told once a turn's time is over.

The door does not ask the bus how it is, it measures: as long as one acceptance waits to be written, those that come
after it would wait as well, be it the disk, the broker or the database that stands still.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from parlance import clock
from parlance.errors import Unavailable
from parlance.v1.turn_pb2 import Header

if TYPE_CHECKING:
    from services.gateway.device import Device
    from services.gateway.sessions import Sessions

# So long may an acceptance wait to be written before the next turn is refused: a third of a turn's time.
PATIENCE_S = 10.0
# So long after a turn's deadline its end is still waited for: dialogue asks first what became of its acts.
GRACE_US = 5_000_000
_LOOK_S = 1.0
NOTHING_TAKEN = "the event log takes nothing at present; 'parlance doctor' may know why"


class Unwritten:
    """Acceptances that the log has not taken yet, the oldest first."""

    def __init__(self) -> None:
        self._since: OrderedDict[asyncio.Future[Any], float] = OrderedDict()

    def add(self, written: "asyncio.Future[Any]") -> None:
        self._since[written] = asyncio.get_running_loop().time()
        written.add_done_callback(lambda done: self._since.pop(done, None))

    def waits_s(self) -> float:
        """Of the oldest one; 0 where none waits."""
        oldest = next(iter(self._since.values()), None)
        return 0.0 if oldest is None else asyncio.get_running_loop().time() - oldest

    def stands(self) -> bool:
        return self.waits_s() > PATIENCE_S


async def watch(devices: Collection["Device"], sessions: "Sessions") -> None:
    """Tells those whose turn is overdue why, while the log cannot bring its end. Until cancelled."""
    told: set[str] = set()
    while True:
        await asyncio.sleep(_LOOK_S)
        if not sessions.parts.bus.failed and not sessions.door.unwritten.stands():
            told.clear()
            continue
        for device in list(devices):
            for turn_id in [h.turn_id for h in device.turns.values() if _overdue(device, h) and h.turn_id not in told]:
                told.add(turn_id)
                _tell(device, turn_id, sessions)


def _overdue(device: "Device", header: Header) -> bool:
    reply = device.replies.get(header.turn_id)
    over = 0 < header.deadline_us < clock.now_us() - GRACE_US
    return over and (reply is None or reply.completed is None)


def _tell(device: "Device", turn_id: str, sessions: "Sessions") -> None:
    """How a turn ended is dialogue's to say, and comes when the log brings it. One that was never accepted is over:
    what becomes of it stands in the log, and is not said."""
    device.problem(Unavailable(sessions.parts.bus.failed or NOTHING_TAKEN))
    if turn_id in device.acceptances:
        device.acceptances.give_up(turn_id)
        sessions.silence(turn_id)
        device.done(turn_id)
