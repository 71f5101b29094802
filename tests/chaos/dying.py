"""A service that dies at the n-th point of its way through a turn.

    python -m tests.chaos.dying services.dialogue --at 7 --session dying-7

A point is every step of the event loop between the receipt of an event and the commit of its offset (each await that
gives the loop back), and both sides of what leaves the process or reaches its rows. They are counted from the first
event or call of the session on; with --since from its first event of that kind on, such as a timer's "fired". Nothing
of this is known to the services: their methods are wrapped from outside.
"""

import argparse
import functools
import os
import runpy
import signal
import sys
import threading
from collections.abc import Callable, Generator
from typing import Any


class Points:
    """Counts, from any thread; the process is gone at the n-th."""

    def __init__(self, at: int, session: str, file: str, since: str = "") -> None:
        self._at, self._session, self._file, self._since = at, session, file, since
        self._count = 0
        self._armed = False
        self._lock = threading.Lock()

    def arm(self, session: str, kind: str) -> None:
        """`kind`: of the event, or "call"."""
        self._armed = self._armed or (session == self._session and self._since in ("", kind))

    def cross(self, name: str) -> None:
        with self._lock:
            self._count += self._armed
            if self._armed and self._count == self._at:
                with open(self._file, "w") as file:
                    file.write(name)
                os.kill(os.getpid(), signal.SIGKILL)


class Stepping:
    """An awaitable that crosses a point before and after each step of another."""

    def __init__(self, awaited: Any, cross: Callable[[str], None], name: str) -> None:
        self._awaited, self._cross, self._name = awaited, cross, name

    def __await__(self) -> Generator[Any, Any, Any]:
        inner = self._awaited.__await__()
        send: Callable[[], Any] = functools.partial(next, inner)
        step = 0
        while True:
            self._cross(f"{self._name}, step {step}")
            try:
                waits = send()
            except StopIteration as stop:
                self._cross(f"{self._name}, returned")
                return stop.value
            step += 1
            try:
                value = yield waits
                send = functools.partial(inner.send, value)
            except BaseException as exc:
                send = functools.partial(inner.throw, exc)


def around(points: Points, owner: Any, name: str) -> None:
    """Points on both sides of a method that is no coroutine."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*args: Any, **words: Any) -> Any:
        points.cross(f"before {owner.__name__}.{name}")
        made = original(*args, **words)
        points.cross(f"after {owner.__name__}.{name}")
        return made

    setattr(owner, name, wrapped)


def wrap_stage(points: Points) -> None:
    """From delivery to commit."""
    from parlance.cut import Cut
    from parlance.kafka_commits import Commits
    from parlance.kafka_subscription import KafkaSubscription
    from parlance.stage import Stage

    enqueue, run, write = Stage._enqueue, Cut.run, Commits.write

    def armed(self: Stage, item: Any, front: bool = False) -> None:
        points.arm(item.session, item.event.WhichOneof("event") if item.record is not None else "")
        points.cross("an event is received")
        enqueue(self, item, front)

    async def stepping(self: Cut, work: Any) -> bool:
        return await run(self, Stepping(work, points.cross, "the handling"))

    async def written(self: Commits) -> None:
        some = bool(self._pending)
        if some:
            points.cross("before an offset is written")
        await write(self)
        if some:
            points.cross("after an offset was written")

    Stage._enqueue, Cut.run, Commits.write = armed, stepping, written  # type: ignore[method-assign]
    around(points, Stage, "_finish")
    around(points, KafkaSubscription, "commit")


def wrap_outbox(points: Points) -> None:
    """From the row to Kafka."""
    from parlance.bus_outbox import OutboxBus
    from parlance.kafka_sender import Sender
    from parlance.store_sqlite import SqliteStore

    around(points, SqliteStore, "save")
    around(points, SqliteStore, "transact")
    around(points, OutboxBus, "_acked")
    around(points, Sender, "put")
    around(points, Sender, "_sent")


def wrap_postgres(points: Points) -> None:
    """The same where the rows are in PostgreSQL: what its writer's thread does, and what its outbox hands on."""
    from parlance.postgres_writer import Writer
    from parlance.relay_outbox import Outbox
    from parlance.store_postgres import PostgresStore

    around(points, PostgresStore, "save")
    around(points, PostgresStore, "transact")
    around(points, PostgresStore, "_saved")
    around(points, Writer, "_save")
    around(points, Writer, "_work")
    around(points, Outbox, "_arrived")
    around(points, Outbox, "_forget")


def wrap_actions(points: Points) -> None:
    """From a call to its answer: within the transaction, after it, and the timer that goes off."""
    from services.actions.service import ActionsService
    from services.actions.ticker import Ticker

    run = ActionsService.run

    async def stepping(self: ActionsService, request: Any, call: Any) -> Any:
        points.arm(call.header.session_id, "call")
        answers = run(self, request, call)
        try:
            while True:
                try:
                    answer = await Stepping(answers.__anext__(), points.cross, "the act")
                except StopAsyncIteration:
                    return
                yield answer
                points.cross("the answer was taken")
        finally:
            await answers.aclose()

    ActionsService.run = stepping  # type: ignore[method-assign]
    around(points, ActionsService, "_do")
    around(points, ActionsService, "_tell")
    around(points, ActionsService, "_committed")
    around(points, Ticker, "_fire")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.dying", description=__doc__)
    parser.add_argument("module", help="such as services.dialogue")
    parser.add_argument("--at", type=int, required=True, help="the point, from 1 on")
    parser.add_argument("--session", required=True, help="whose turn it dies in")
    parser.add_argument("--file", required=True, help="where it writes which point that was")
    parser.add_argument("--since", default="", help="the kind of event that the points are counted from")
    words = parser.parse_args()
    points = Points(words.at, words.session, words.file, words.since)
    wrap_stage(points)
    wrap_outbox(points)
    if os.environ.get("PARLANCE_DATABASE"):
        wrap_postgres(points)
    if words.module == "services.actions":
        wrap_actions(points)
    sys.argv = [words.module]
    runpy.run_module(words.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
