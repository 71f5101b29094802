"""The ledger as a Faust app: `python -m services.ledger.faust_app`.

The same pure projections into the same tables as projector.py, and live rates in a windowed table. Off the hot path,
in a process of its own: Faust runs its consumer in a thread with its own loop, which grpc.aio does not survive.
README.md says what else it cannot do.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faust
import mode.loop
from faust.transport.drivers import aiokafka as driver

from parlance import config, kafka_address, metrics, postgres_address, tls
from parlance.bus import Record
from parlance.bus_choice import kafka
from parlance.bus_kafka import KafkaBus
from parlance.config import Config
from parlance.errors import InvalidRequest, ParlanceError
from parlance.events import TOPICS
from parlance.log import failed
from services.ledger.live import LiveLedger
from services.ledger.projections import READ
from services.ledger.rates import KEPT, MINUTE_US, Amount, Counted
from services.ledger.store import LedgerStore
from services.ledger.store_postgres import PostgresLedger

NAME = "ledger"
GROUP = "parlance.ledger-faust"
BATCH, LAZY_S = 1000, 1.0
# The broker's least.
_SESSION_S = 6.0
_ALIVE_S = 5.0


class _Windows(faust.Table[Counted, Amount]):
    """Lives in this process. Its durable copy are the rows that are saved with the batch that was counted, so it has no
    changelog topic: that would be one more thing to be ahead of, or behind, what is saved."""

    async def on_start(self) -> None:
        await self.add_runtime_dependency(self.data)

    def on_key_set(self, key: Any, value: Any) -> None:
        self._maybe_set_key_ttl(key, 0)

    def on_key_del(self, key: Any) -> None:
        self._maybe_del_key_ttl(key, 0)


class _Consumer(driver.Consumer):
    """Begins where the group has committed, or earlier, where the database has less than that (it was restored, or
    emptied): what it lacks is read again."""

    async def perform_seek(self) -> None:
        await super().perform_seek()
        saved = await self.transport.ledger.resume()  # type: ignore[attr-defined]
        for tp, committed in list(self._committed_offset.items()):
            at = saved.get((tp.topic, tp.partition), 0)
            if committed is not None and at < committed:
                await self.seek(tp, at)
                self._committed_offset[tp] = at or None


class _Transport(driver.Transport):
    Consumer = _Consumer
    ledger: LiveLedger


def application(servers: Sequence[str], store: LedgerStore, credentials: Any = None) -> faust.App:
    """`servers`: "host:port" of some brokers."""
    app = faust.App(
        GROUP,
        broker=";".join(f"kafka://{server}" for server in servers),
        broker_credentials=credentials,
        broker_session_timeout=_SESSION_S,
        broker_heartbeat_interval=1.0,
        broker_commit_interval=LAZY_S,
        consumer_auto_offset_reset="earliest",
        # No topic is made but by `parlance topics apply`.
        topic_allow_declare=False,
        topic_disable_leader=True,
        # Nothing is kept by Faust: neither standbys, nor files.
        table_standby_replicas=0,
        store="memory://",
        datadir=tempfile.gettempdir(),
        web_enabled=False,
    )
    table = _Windows(app, name="rates", default=Amount)
    windows = table.tumbling(MINUTE_US / 1e6, expires=KEPT * MINUTE_US / 1e6)
    transport = _Transport(app.conf.broker_consumer, app)
    transport.ledger = ledger = LiveLedger(store, windows)
    app.transport = transport
    topic = app.topic(*READ, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    app.agent(topic, concurrency=1)(_agent(app, ledger, table))
    # At once too: a timer's first time is after its interval, and whoever waits for the app would wait for nothing.
    app.task(_alive)
    app.timer(_ALIVE_S)(_alive)
    return app


def _lag(consumer: Any) -> int:
    """Records that stand in the log and have not been saved."""
    committed = dict(consumer._committed_offset)
    return sum(max(0, (consumer.highwater(tp) or 0) - (committed.get(tp) or 0)) for tp in consumer.assignment())


async def _alive() -> None:
    """That its loop turns: a container's health check looks how old this file is."""
    await asyncio.to_thread(Path(tempfile.gettempdir(), "parlance-ledger-app").touch)


def _agent(app: faust.App, ledger: LiveLedger, table: _Windows) -> Any:
    async def ledger_events(stream: Any) -> None:
        await app.add_runtime_dependency(table)
        metrics.lags(lambda: {"ledger-faust": _lag(app.consumer)})
        # Not `take`: that acknowledges even what has raised.
        async for events in stream.noack_take(BATCH, within=LAZY_S):
            try:
                await ledger.save([_record(event.message) for event in events])
            except Exception as exc:
                # An agent that Faust restarts would go on behind this batch, and App.crash was seen never to end.
                # Whoever restarts the process reads the batch again.
                failed("the ledger's app ends", exc)
                os._exit(1)
            for event in events:
                await stream.ack(event)

    return ledger_events


def _record(message: Any) -> Record:
    """Faust makes seconds of Kafka's milliseconds."""
    ts_us = round(message.timestamp * 1000) * 1000
    return Record(
        message.topic,
        message.partition,
        message.offset,
        ts_us,
        message.key or b"",
        message.value or b"",
        tuple(message.headers or ()),
    )


def made(settings: Config) -> faust.App:
    """Raises InvalidRequest where a setting makes no sense, Unavailable where the broker or the database is away."""
    if not settings.bus or not settings.database:
        raise InvalidRequest(
            "the ledger's app needs PARLANCE_BUS=kafka://HOST:PORT and PARLANCE_DATABASE=postgresql://USER@HOST/NAME"
        )
    bus = kafka(settings, NAME)
    database = postgres_address.parse(settings.database, settings.database_password_file)
    asyncio.run(_checked(bus))
    encrypted = settings.bus.startswith(kafka_address.TLS_SCHEME)
    own = tls.own(settings.tls, NAME) if encrypted else None
    shown = faust.SSLCredentials(context=tls.context(own)) if own is not None else None
    return application(kafka_address.parse(settings.bus, own).servers, PostgresLedger(database), shown)


async def _checked(bus: KafkaBus) -> None:
    """Faust waits without a word for a broker or a topic that is not there. Raises Unavailable."""
    bus.declare([TOPICS[name] for name in READ])
    await bus.start()
    await bus.stop()


def main() -> int:
    try:
        settings = config.load()
        with metrics.served(settings.metrics):
            _work(made(settings), settings.log_level)
    except ParlanceError as exc:
        print(f"parlance: {exc.message}", file=sys.stderr)
        return 2 if isinstance(exc, InvalidRequest) else 1
    return 0


def _work(app: faust.App, log_level: str) -> None:
    mode.loop.use("uvloop")
    worker = faust.Worker(app, loglevel=log_level, quiet=True, redirect_stdouts=False)
    worker.spinner = None
    worker.execute_from_commandline()


if __name__ == "__main__":
    sys.exit(main())
