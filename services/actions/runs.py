"""What runs that are not live act on: a throw-away store each, in memory. It never reaches outside, and no timer that
stands in it ever goes off."""

from collections import OrderedDict
from typing import Any

import apsw

from services.actions import tables

# Runs whose state is kept: the newest. One that comes back later begins with nothing.
_KEPT = 16


class Runs:
    """The store's writer thread alone uses it."""

    def __init__(self) -> None:
        self._stores: OrderedDict[str, apsw.Connection] = OrderedDict()

    def store(self, run: str) -> Any:
        """The connection of this run, with the tables of actions; made at its first act."""
        found = self._stores.get(run)
        if found is None:
            found = self._stores[run] = apsw.Connection(":memory:")
            for statement in tables.SCHEMA:
                found.execute(statement)
        self._stores.move_to_end(run)
        while len(self._stores) > _KEPT:
            self._stores.popitem(last=False)[1].close()
        return found
