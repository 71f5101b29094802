"""Which bus a process uses, by its settings. Kafka's client is imported only where it is used: that takes a while."""

from collections.abc import Callable
from typing import TypeVar

from parlance.bus import Bus
from parlance.bus_journal import JournalBus
from parlance.config import Config
from parlance.errors import InvalidRequest
from parlance.store import Store
from parlance.store_sqlite import SqliteStore

T = TypeVar("T")


def for_services(config: Config) -> tuple[Bus, JournalBus]:
    """The bus, and the journal that the store of its rows is made on; not started. Raises InvalidRequest where
    PARLANCE_BUS is no address."""
    if not config.bus:
        journal = JournalBus(config.journal)
        return journal, journal
    from parlance.bus_kafka import KafkaBus
    from parlance.bus_outbox import OutboxBus

    outbox = OutboxBus(config.rows, _named(KafkaBus, config.bus))
    return outbox, outbox.rows


def for_one(name: str, config: Config, *, with_rows: bool) -> tuple[Bus, Store | None]:
    """The bus of a service in a process of its own, and the store of its rows, if it keeps any; not started. Raises
    InvalidRequest where PARLANCE_BUS is no address."""
    from parlance.bus_kafka import KafkaBus
    from parlance.bus_outbox import OutboxBus

    kafka = _named(KafkaBus, config.bus)
    if not with_rows:
        return kafka, None
    outbox = OutboxBus(config.home / f"rows-{name}.db", kafka)
    return outbox, SqliteStore(outbox.rows)


def for_looking(config: Config) -> Bus:
    """Beside the services: reads, and may append. Raises InvalidRequest where there is nothing yet."""
    if config.bus:
        from parlance.bus_kafka import KafkaBus

        return _named(KafkaBus, config.bus)
    if not config.journal.exists():
        raise InvalidRequest(f"there is no journal in {config.home} yet; start it with 'parlance run'")
    return JournalBus(config.journal, owner=False)


def _named(made: Callable[[str], T], address: str) -> T:
    """Whoever reads the error learns which setting it is about."""
    try:
        return made(address)
    except InvalidRequest as exc:
        raise InvalidRequest(f"PARLANCE_BUS: {exc.message}") from exc
