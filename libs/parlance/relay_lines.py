"""One order per key for what goes to the database and what goes to Kafka. No I/O in here.

- An append goes to Kafka once every save before it is through, and the saves' own events have gone before it.
- A save goes to the database once Kafka has acknowledged every append before it; saves may follow each other there
  without waiting, for the database keeps their order.

Other keys wait for none of this.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

Key = bytes


@dataclass(slots=True, eq=False)
class Entry:
    """Something in line. `begin`: False where it cannot begin now (`Lines.advance` asks again). A save stays in line
    until `Lines.done`; an append leaves it when it begins."""

    keys: tuple[Key, ...]
    begin: Callable[[], bool]
    save: bool
    begun: bool = False


@dataclass(slots=True)
class Line:
    entries: deque[Entry] = field(default_factory=deque)
    # Appends that Kafka has not acknowledged.
    flying: int = 0
    # Events of committed saves stand in the outbox alone: nothing may overtake them.
    parked: bool = False


class Lines:
    def __init__(self) -> None:
        self._lines: dict[Key, Line] = {}
        self.waiting = 0

    def open(self, key: Key) -> bool:
        """Whether an append of this key may go at once."""
        line = self._lines.get(key)
        return line is None or not (line.entries or line.parked)

    def put(self, entry: Entry) -> None:
        for key in entry.keys:
            self._line(key).entries.append(entry)
        self.waiting += 1
        self.advance(entry.keys)

    def done(self, entry: Entry) -> None:
        """A save is through, whatever came of it."""
        self._leave(entry)
        self.advance(entry.keys)

    def flew(self, key: Key) -> None:
        self._line(key).flying += 1

    def landed(self, key: Key) -> None:
        self._line(key).flying -= 1
        self.advance((key,))

    def parked(self, key: Key) -> bool:
        line = self._lines.get(key)
        return line is not None and line.parked

    def park(self, key: Key) -> None:
        self._line(key).parked = True

    def unpark(self, key: Key) -> None:
        self._line(key).parked = False
        self.advance((key,))

    def advance(self, keys: Iterable[Key]) -> None:
        """Begins whatever may begin now."""
        todo = list(keys)
        while todo:
            key = todo.pop()
            line = self._lines.get(key)
            if line is None:
                continue
            for entry in list(line.entries):
                if entry.begun:
                    continue
                if not self._may(entry) or not entry.begin():
                    break
                entry.begun = True
                todo += (other for other in entry.keys if other != key)
                if not entry.save:
                    self._leave(entry)
            if not (line.entries or line.flying or line.parked):
                self._lines.pop(key, None)

    def _may(self, entry: Entry) -> bool:
        for key in entry.keys:
            line = self._lines[key]
            if line.flying if entry.save else line.parked:
                return False
            for other in line.entries:
                if other is entry:
                    break
                if not (entry.save and other.begun):
                    return False
        return True

    def _leave(self, entry: Entry) -> None:
        self.waiting -= 1
        for key in entry.keys:
            self._lines[key].entries.remove(entry)

    def _line(self, key: Key) -> Line:
        found = self._lines.get(key)
        if found is None:
            found = self._lines[key] = Line()
        return found
