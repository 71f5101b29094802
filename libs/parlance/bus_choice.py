"""Which bus and which store a process uses, by its settings. Kafka's and PostgreSQL's clients are imported only where
they are used: that takes a while."""

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


def for_services(config: Config) -> tuple[Bus, Store]:
    """The bus of all services in one process, not started, and the store of its rows. Raises InvalidRequest where
    PARLANCE_BUS or PARLANCE_DATABASE is no address, one is missing, or one takes certificates."""
    if config.bus.startswith(_TLS):
        raise InvalidRequest(
            "PARLANCE_BUS: with certificates each service has its own, and so a process of its own: type "
            "python -m services.NAME, or use kafka://"
        )
    if config.database:
        return _relayed(config, "")
    if not config.bus:
        journal = JournalBus(config.journal)
        return journal, SqliteStore(journal)
    from parlance.bus_outbox import OutboxBus

    outbox = OutboxBus(config.rows, kafka(config))
    return outbox, SqliteStore(outbox.rows)


def without_rows(bus: Bus) -> Bus:
    """For a service beside those that keep rows: what it appends is in line with none of them, so on Kafka it need not
    go through the outbox."""
    if isinstance(bus, JournalBus):
        return bus
    from parlance.bus_outbox import OutboxBus

    return bus.log if isinstance(bus, OutboxBus) else bus


def _relayed(config: Config, service: str) -> tuple[Bus, Store]:
    if not config.bus:
        raise InvalidRequest(
            "PARLANCE_DATABASE needs PARLANCE_BUS too: rows in PostgreSQL are for events on Kafka; "
            "leave both empty to run on SQLite alone"
        )
    try:
        from parlance import postgres_address
    except ImportError as exc:
        raise InvalidRequest("PARLANCE_DATABASE needs the package psycopg: type pip install 'psycopg[binary]'") from exc
    from parlance.bus_relayed import RelayedBus
    from parlance.postgres_database import Database
    from parlance.store_postgres import PostgresStore

    address = postgres_address.parse(config.database, config.database_password_file)
    log = kafka(config, service)
    log.follows_clock = bool(service)
    bus = RelayedBus(Database(address), log, service)
    return bus, PostgresStore(bus)


def for_one(name: str, config: Config, *, with_rows: bool) -> tuple[Bus, Store | None]:
    """The bus of a service in a process of its own, and the store of its rows, if it keeps any; not started. Raises
    InvalidRequest where PARLANCE_BUS or PARLANCE_DATABASE is no address, or its certificates are not as they should
    be."""
    if config.database and with_rows:
        return _relayed(config, name)
    from parlance.bus_outbox import OutboxBus

    log = kafka(config, name)
    log.follows_clock = True  # it shares its deadlines with others
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
    kind = kafka_kind(config.kafka_client)
    credentials = tls.own(config.tls, name) if config.bus.startswith(_TLS) else None
    try:
        return kind(config.bus, tls=credentials)
    except InvalidRequest as exc:
        raise InvalidRequest(f"PARLANCE_BUS: {exc.message}") from exc


def kafka_kind(client: str) -> "type[KafkaBus]":
    """Raises InvalidRequest where the client's package is not there."""
    from parlance.bus_kafka import KafkaBus

    if client == "aiokafka":
        return KafkaBus
    try:
        from parlance.bus_kafka_rd import RdKafkaBus
    except ImportError as exc:
        missing = "needs the package confluent-kafka: type pip install confluent-kafka, or leave it empty"
        raise InvalidRequest(f"PARLANCE_KAFKA_CLIENT={client} {missing}") from exc
    return RdKafkaBus
