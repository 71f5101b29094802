"""One process's hold on its PostgreSQL database: a writer and queries beside it."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg

from parlance.errors import Unavailable
from parlance.postgres_address import HELD_LIMIT, OLDEST, Address
from parlance.postgres_driver import Driver
from parlance.postgres_jobs import Job
from parlance.postgres_reader import Reader
from parlance.postgres_tables import SCHEMA
from parlance.postgres_writer import Writer

T = TypeVar("T")


class Database:
    def __init__(self, address: Address) -> None:
        self._address = address
        self._writer = Writer(address)
        self._driver: Driver | None = None
        self._reader: Reader | None = None

    async def start(self) -> None:
        """Makes the tables where they are not there yet. Raises Unavailable where the database cannot be used."""
        try:
            await asyncio.to_thread(self._open)
        except psycopg.Error as exc:
            self._writer.close()
            raise self._address.unusable(exc) from exc
        except BaseException:
            self._writer.close()
            raise
        self._driver = Driver(self._writer, asyncio.get_running_loop())
        self._reader = Reader(self._address)

    def _open(self) -> None:
        self._writer.open()
        connection = self._writer.connection
        if connection.info.server_version < OLDEST * 10_000:
            found = connection.info.server_version // 10_000
            raise Unavailable(
                f"PostgreSQL at {self._address} is version {found}: Parlance needs {OLDEST} or newer; "
                "set PARLANCE_DATABASE to one"
            )
        with connection.transaction():
            # Processes that start together make the tables one after the other.
            connection.execute("SET LOCAL synchronous_commit = on")
            connection.execute("SELECT pg_advisory_xact_lock(7241906)")
            connection.execute(SCHEMA)

    async def stop(self) -> None:
        if self._driver is None or self._reader is None:
            return
        driver, self._driver = self._driver, None
        await driver.close()
        await asyncio.to_thread(self._reader.close)

    def put(self, job: Job) -> None:
        """Asks the writer. Raises Unavailable where too much waits already."""
        if self._driver is None:
            raise Unavailable("PostgreSQL is not connected: start the bus first")
        if self._driver.waiting >= HELD_LIMIT:
            raise Unavailable(self.failed or f"{HELD_LIMIT} changes wait for PostgreSQL at {self._address}")
        self._driver.put(job)

    async def query(self, work: Callable[[Any], T]) -> T:
        if self._reader is None or self._driver is None:
            raise Unavailable("PostgreSQL is not connected: start the bus first")
        return await self._reader.run(work)

    @property
    def failed(self) -> str:
        """ "" while well; otherwise what is wrong and what to do."""
        silent = self._driver.silent_s() if self._driver is not None else 0.0
        return self._writer.failed or (self._address.silent(silent) if silent else "")
