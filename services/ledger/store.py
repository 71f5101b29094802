"""The seam to the ledger's database: SQLite beside the journal, PostgreSQL in the stack."""

from collections.abc import Sequence
from typing import Any, Protocol

from services.ledger.projections import Rows

# The next offset to be read, by topic and partition.
Offsets = dict[tuple[str, int], int]


class LedgerStore(Protocol):
    """Methods block; one thread at a time saves, any thread reads."""

    def offsets(self) -> Offsets:
        """How far the log has been read into what is saved."""
        ...

    def save(self, rows: Rows, offsets: Offsets) -> None:
        """Merges the rows, and notes how far they reach, in one transaction. Raises Unavailable where the disk or the
        database refuses: then nothing is saved."""

    def forget_rates(self, before_us: int) -> None:
        """Deletes what was counted of the minutes that began before. Raises Unavailable."""

    def close(self) -> None: ...

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Sequence[Sequence[Any]]:
        """The rows of a SELECT of tables.py's SQL ("?" for parameters)."""
        ...
