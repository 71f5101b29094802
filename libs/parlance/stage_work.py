"""What goes through a stage, what makes a stage the stage that it is, and a session's queue in it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from parlance.bus import Record
from parlance.cut import Cut
from parlance.errors import ParlanceError


@dataclass(slots=True)
class Item:
    """An event on its way through a stage. Internal ones (a deadline) have no record."""

    session: str
    event: Any
    record: Record | None = None
    arrived_us: int = 0
    sealed: bool = True
    # The ownership of the partition that it came in: a commit carries it.
    ownership: int = 0
    # What may cut its work.
    cut: Cut = field(default_factory=Cut)
    # Set by the work: what must be durable before the event counts as done. The next event of the session need not
    # wait for it; where it is refused, the event is handled again.
    durable: "asyncio.Future[Any] | None" = None
    refusal: BaseException | None = None
    failed: int = 0
    conflicts: int = 0
    # What came back as a dead letter: the record that it was. It holds no offset up; where it fails again, it is buried
    # again.
    letter: Record | None = None


@dataclass(slots=True)
class Work:
    """What makes a stage this stage."""

    process: Callable[[Item], Awaitable[None]]
    # After the last attempt: how the turn learns of it.
    failed: Callable[[Item, ParlanceError], Awaitable[None]]
    cuts: Callable[[Item, Item], bool] = lambda running, new: False
    # Told of an item that must wait for running work of its session.
    held_up: Callable[[Item], None] = lambda item: None
    # Called once all that was in the log at the start has been handled.
    caught_up: Callable[[], Awaitable[None]] | None = None
    # Called once all that stood in partitions has been delivered that were another member's until now.
    taken_over: Callable[[], Awaitable[None]] | None = None
    # The payloads that it has work for; events with others are done as they come. None: all.
    kinds: frozenset[str] | None = None
    attempts: int = 3
    # More than this many events in flight pause the subscription.
    max_in_flight: int = 512


@dataclass(slots=True)
class Lane:
    """One session: one item at a time."""

    queue: list[Item] = field(default_factory=list)
    running: Item | None = None
    active: bool = False

    def put_first(self, item: Item, cuts: Callable[[Item, Item], bool]) -> None:
        """At the head, but never before what cuts it."""
        self.queue.insert(max((n + 1 for n, waiting in enumerate(self.queue) if cuts(item, waiting)), default=0), item)
