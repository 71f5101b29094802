"""Which bus a process uses, by its settings. Kafka's client is imported only where it is used: that takes a while."""

from typing import TYPE_CHECKING

from parlance import tls
from parlance.bus import Bus
from parlance.bus_journal import JournalBus
from parlance.config import Config
from parlance.errors import InvalidRequest
from parlance.store import Store
from parlance.store_sqlite import SqliteStore

if TYPE_CHECKING:
    from parlance.bus_kafka import KafkaBus

_TLS = "kafka+tls://"


def for_services(config: Config) -> tuple[Bus, JournalBus]:
    """The bus of all services in one process, and the journal that the store of its rows is made on; not started.
    Raises InvalidRequest where PARLANCE_BUS is no address, or one that takes certificates."""
    if not config.bus:
        journal = JournalBus(config.journal)
        return journal, journal
    from parlance.bus_outbox import OutboxBus

    if config.bus.startswith(_TLS):
        raise InvalidRequest(
            "PARLANCE_BUS: with certificates each service has its own, and so a process of its own: type "
            "python -m services.NAME, or use kafka://"
        )
    outbox = OutboxBus(config.rows, kafka(config))
    return outbox, outbox.rows


def for_one(name: str, config: Config, *, with_rows: bool) -> tuple[Bus, Store | None]:
    """The bus of a service in a process of its own, and the store of its rows, if it keeps any; not started. Raises
    InvalidRequest where PARLANCE_BUS is no address, or its certificates are not as they should be."""
    from parlance.bus_outbox import OutboxBus

    log = kafka(config, name)
    if not with_rows:
        return log, None
    outbox = OutboxBus(config.home / f"rows-{name}.db", log)
    return outbox, SqliteStore(outbox.rows)


def for_looking(config: Config) -> Bus:
    """Beside the services: reads, and may append. Raises InvalidRequest where there is nothing yet."""
    if config.bus:
        return kafka(config, tls.OPERATOR)
    if not config.journal.exists():
        raise InvalidRequest(f"there is no journal in {config.home} yet; start it with 'parlance run'")
    return JournalBus(config.journal, owner=False)


def kafka(config: Config, name: str = "") -> "KafkaBus":
    """The bus of PARLANCE_BUS, with the certificate of `name` where it takes one. Whoever reads an error learns which
    setting it is about."""
    from parlance.bus_kafka import KafkaBus

    credentials = tls.own(config.tls, name) if config.bus.startswith(_TLS) else None
    try:
        return KafkaBus(config.bus, tls=credentials)
    except InvalidRequest as exc:
        raise InvalidRequest(f"PARLANCE_BUS: {exc.message}") from exc
