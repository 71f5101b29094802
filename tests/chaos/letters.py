"""What is in dead letters can be listed and handled again: what must fail fails again for the same reason, and what
failed only once has its turn and its effect."""

import asyncio
import time
from collections import Counter
from typing import Any

from parlance import clock, ids
from parlance.bus import Out, Record
from parlance.bus_kafka import KafkaBus
from parlance.deadletters import dead_letter
from parlance.errors import Internal
from parlance.events import declared, to_bytes, wrap
from parlance.outgoing import record_of
from parlance.privacy import Keys, Sealing
from parlance.routes import CONTROL
from parlance.v1.control_pb2 import ControlEvent, DeadLetterReplay
from parlance.v1.reply_pb2 import Outcome
from parlance.v1.session_pb2 import SessionEvent, TurnAccepted
from parlance.v1.turn_pb2 import Header, Modality
from tests.chaos.evidence import Evidence, Reader
from tests.chaos.poison import Poison
from tests.chaos.run import Result, reader
from tests.chaos.stack import Stack

# Each is tried three times, with growing pauses; some hundreds at once on few cores.
_AGAIN_S = 60.0
_MENDED_S = 30.0
_MENDED = "put item999999 on my shopping list"


async def replayed(running: Stack, result: Result) -> None:
    """What is wrong becomes a problem of the run; what the replays change the judge sees."""
    bus = KafkaBus(running.broker.url)
    bus.declare(declared())
    await bus.start()
    try:
        async with reader(running) as log:
            found = await log.look()
            await _listed(running, result, found)
            await _all_again(bus, log, result)
            await _mended(running, bus, log, result)
    finally:
        await bus.stop()


async def _listed(running: Stack, result: Result, found: Evidence) -> None:
    letters: list[dict[str, Any]] = await asyncio.to_thread(running.processes.client().json, "dlq")
    if len(letters) != len(found.letters):
        result.problems.append(f"parlance dlq lists {len(letters)} of {len(found.letters)} letters")


async def _all_again(bus: KafkaBus, log: Reader, result: Result) -> None:
    """Each is handed back as `parlance dlq replay` does it. Poison is poison: it comes back as a new letter, unless
    its bytes are no event at all, which then stays where it is."""
    before = dict((await log.look()).letters)
    for name in before:
        stage, _, offset = name.partition("/")
        body = DeadLetterReplay(stage=stage, partition=0, offset=int(offset))
        event = wrap(ControlEvent, Header(event_id=ids.new(), accepted_at_us=clock.now_us()), body)
        await bus.publish(Out(CONTROL, 0, f"replay/{stage}/current".encode(), to_bytes(event)))
    wanted = Counter((n.partition("/")[0], x.value) for n, x in before.items() if not x.value.startswith(b"\xff\xff"))
    until = time.monotonic() + _AGAIN_S
    while True:
        letters = (await log.look()).letters
        there = Counter((n.partition("/")[0], letter.value) for n, letter in letters.items() if n not in before)
        if there == wanted or time.monotonic() > until:
            break
        await asyncio.sleep(0.5)
    for (stage, value), times in wanted.items():
        if there[stage, value] != times:
            result.problems.append(f"{times} letters of {stage} were replayed and {there[stage, value]} came back")
    result.replayed = len(before)


async def _mended(running: Stack, bus: KafkaBus, log: Reader, result: Result) -> None:
    """A letter whose event can be handled by now, as after a bug was mended: its turn is answered, its effect done."""
    header = Header(event_id=ids.new(), turn_id=ids.new(), session_id="mended", user_id="owner", device_id="mended")
    header.accepted_at_us = header.asked_at_us = clock.now_us()
    header.deadline_us, header.modality = header.accepted_at_us + 30_000_000, Modality.MODALITY_TYPED
    sealing = Sealing(Keys(running.processes.home / "keys.json"))
    out = record_of(wrap(SessionEvent, header, TurnAccepted(text=_MENDED)), sealing.seal)
    failed = Record(out.topic, out.partition, 0, 0, out.key, out.value)
    put = await bus.publish(dead_letter("intent", failed, Internal("a bug that is mended by now"), 3, ""))
    result.poison.append(Poison(out.topic, out.partition, out.value, ("intent",)))
    done = await asyncio.to_thread(running.processes.client().cli, "dlq", "replay", f"intent/{put.offset}")
    if done.returncode:
        result.problems.append(f"parlance dlq replay intent/{put.offset}: {done.stderr}")
    until = time.monotonic() + _MENDED_S
    while time.monotonic() < until:
        ends = (await log.look()).turns.get(header.turn_id)
        if ends is not None and ends.of("completed"):
            break
        await asyncio.sleep(0.3)
    else:
        result.problems.append("the turn of a dead letter that can be handled by now did not end after its replay")
        return
    outcome = ends.of("completed")[0].event.completed.outcome
    if outcome != Outcome.OUTCOME_ANSWERED:
        result.problems.append(f"the turn of a replayed dead letter is {Outcome.Name(outcome)}")
