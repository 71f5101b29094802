"""Queries beside the writer: on connections that cannot write, off the loop."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import psycopg

from parlance.errors import Unavailable
from parlance.postgres_address import Address, reason
from parlance.postgres_cut import cut
from parlance.postgres_sql import Db

T = TypeVar("T")
_THREADS = 2


class Reader:
    def __init__(self, address: Address) -> None:
        self._address = address
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="postgres-reader")
        self._own = threading.local()
        self._connections: set[Any] = set()

    async def run(self, work: Callable[[Any], T]) -> T:
        """What `work(db)` gives. Raises Unavailable where the database is away or refuses the query."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, work)

    def close(self) -> None:
        """Ends what runs. Blocks for as long as a connection is being made."""
        for connection in list(self._connections):
            cut(connection)
        self._threads.shutdown(cancel_futures=True)
        for connection in self._connections:
            connection.close()

    def _run(self, work: Callable[[Any], T]) -> T:
        try:
            try:
                return work(Db(self._connection()))
            except psycopg.OperationalError:
                found = getattr(self._own, "connection", None)
                if found is None or not found.broken:
                    raise
                # Cut since the last query: once more, on a new one.
                return work(Db(self._connection()))
        except psycopg.OperationalError as exc:
            raise self._address.unusable(exc) from exc
        except psycopg.Error as exc:
            raise Unavailable(f"PostgreSQL at {self._address} refuses a query: {reason(exc)}") from exc

    def _connection(self) -> Any:
        found = getattr(self._own, "connection", None)
        if found is None or found.closed:
            self._connections.discard(found)
            found = self._own.connection = self._address.connect("parlance-reader")
            self._connections.add(found)
            found.execute("SET default_transaction_read_only = on")
        return found
