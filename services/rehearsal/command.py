"""One run, from the file to the result: progress goes to stdout, a JSON line each; SIGINT stops the sending."""

import asyncio
import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parlance import clock, load_file
from parlance.bus_choice import for_looking
from parlance.config import Config
from parlance.errors import InvalidRequest
from parlance.events import EVENT_CLASSES, topic_of
from parlance.load_recipient import Owner
from parlance.load_result import Result
from parlance.privacy import Keys, Sealing
from services.rehearsal.events import Whose
from services.rehearsal.run import Direct

_TELL_S = 0.5


@dataclass(frozen=True, slots=True)
class Job:
    file: str
    result: str
    speed: float | None
    limit: int | None
    run: str


async def send(config: Config, job: Job) -> int:
    """The exit code: 1 where a turn has not ended. Raises InvalidRequest where this is not marked for rehearsal."""
    if not config.rehearsal:
        raise InvalidRequest(
            "a stack is sent to directly only where it is marked for rehearsal: set PARLANCE_REHEARSAL=1 there and here"
        )
    recording = load_file.read(Path(job.file), Owner(config.keys, config.user_id))
    turns = recording.turns[: job.limit]
    result = Result(_facts(job, recording, turns))
    bus = for_looking(config)
    bus.declare([topic_of(cls) for cls in EVENT_CLASSES])
    await bus.start()
    try:
        whose = Whose(job.run, config.user_id, config.time_zone, config.gateway_slot)
        direct = Direct(bus, Sealing(Keys(config.keys)), whose, job.speed, _teller())
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, direct.stop)
        await direct.go(turns, result)
    finally:
        await bus.stop()
    result.save(Path(job.result))
    return 0 if result.complete and not any(row.outcome == "lost" for row in result.rows) else 1


def _facts(job: Job, recording: Any, turns: Any) -> dict[str, Any]:
    return {
        "run": job.run,
        "file": {"name": Path(job.file).name, "sha256": recording.digest, "origin": recording.head.origin},
        "turns": len(turns),
        "sessions": len({turn.session for turn in turns}),
        "length_s": (turns[-1].at_us - turns[0].at_us) / 1e6 if turns else 0.0,
        "began_at_us": clock.now_us(),
        "cpus": os.cpu_count(),
        "speed": job.speed or "max",
        "processes": 1,
        "sound": False,
        "direct": True,
    }


def _teller() -> Any:
    told_at = 0.0

    def tell(sent: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= _TELL_S:
            told_at = time.monotonic()
            print(json.dumps({"sent": sent}), flush=True)

    return tell
