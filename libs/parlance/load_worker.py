"""A load process: `python -m parlance.load_worker`. Its job comes on stdin, then the moment of the start, then perhaps
"stop"; what came of each turn goes to stdout. load_job.py says what."""

import asyncio
import json
import signal
import sys
import time
from typing import Any

import uvloop

from parlance import config, garbage, tls
from parlance.client import Client
from parlance.load_job import Job, Row
from parlance.load_talker import NoRuns, Talker

_TELL_S = 0.2
# What is open when the run is stopped has this long to end.
_DRAIN_S = 5.0


class Worker:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._rows: list[Row] = []
        self._stop = asyncio.Event()

    async def run(self) -> None:
        lines = await _stdin()
        _tell(ready=True)
        start = json.loads(await lines.readline())["start"]
        shown = tls.own(config.load().tls, tls.OPERATOR)
        async with Client(self._job.address, shown) as client, asyncio.TaskGroup() as group:
            talking = group.create_task(self._talk(client, start))
            beside = [group.create_task(w) for w in (self._told(lines), self._telling(), self._drain(talking))]
            await asyncio.wait([talking])
            for task in beside:
                task.cancel()
        self._flush()
        _tell(cpu_s=round(time.process_time(), 3))

    async def _talk(self, client: Client, start: float) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for session in self._job.sessions:
                    talker = Talker(client, self._job, session, self._rows.append, self._stop)
                    group.create_task(talker.run(start))
        except* NoRuns as found:
            _tell(fatal=_first(found).message)

    async def _told(self, lines: asyncio.StreamReader) -> None:
        """The parent says stop, or is gone."""
        await lines.readline()
        self._stop.set()

    async def _drain(self, talking: "asyncio.Task[None]") -> None:
        await self._stop.wait()
        await asyncio.sleep(_DRAIN_S)
        talking.cancel()

    async def _telling(self) -> None:
        while True:
            await asyncio.sleep(_TELL_S)
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            _tell(rows=self._rows)
            self._rows.clear()


def _first(group: BaseExceptionGroup[NoRuns]) -> NoRuns:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


def _tell(**what: Any) -> None:
    sys.stdout.write(json.dumps(what, ensure_ascii=False) + "\n")
    sys.stdout.flush()


async def _stdin() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


def main() -> None:
    """Ctrl-C is the parent's: it says when to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    job = Job.of(json.loads(sys.stdin.buffer.readline()))
    garbage.settle()
    uvloop.run(Worker(job).run())


if __name__ == "__main__":
    main()
