"""A user's rows in memory, and an act on them as one line."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from services.actions.domain import Asked, Done, Row
from services.actions.registry import ACTIONS

NOW = datetime(2026, 11, 24, 18, 5, tzinfo=ZoneInfo("Europe/London"))  # a Tuesday


class MemoryRows:
    def __init__(self) -> None:
        self._rows: list[tuple[str, Row]] = []
        self._made = 0

    def all(self, kind: str) -> list[Row]:
        return [row for each, row in self._rows if each == kind]

    def add(self, kind: str, data: Mapping[str, str], due_us: int = 0) -> Row:
        self._made += 1
        row = Row(str(self._made), data, due_us)
        self._rows.append((kind, row))
        return row

    def remove(self, row: Row) -> None:
        self._rows = [(kind, each) for kind, each in self._rows if each.id != row.id]


class User:
    """Says things to one domain after the other; remembers what it owns."""

    def __init__(self, now: datetime = NOW) -> None:
        self.rows = MemoryRows()
        self.now = now

    def done(self, action: str, text: str, **slots: str) -> Done:
        found, asked = ACTIONS[action], Asked(slots, text, self.now)
        if found.answer is not None:
            return found.answer(asked)
        assert found.act is not None
        return found.act(asked, self.rows)

    def says(self, action: str, text: str, **slots: str) -> str:
        return self.done(action, text, **slots).say
