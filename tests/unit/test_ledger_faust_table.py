"""The Faust app's windowed table, without a broker: it has no changelog topic, and forgets what is over an hour old."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("faust", reason="needs faust-streaming; type: make setup-dev")

from services.ledger import faust_app
from services.ledger.rates import Amount, Counted
from services.ledger.store_sqlite import SqliteLedger

ANSWERED = Counted("", "reply.v1", 1, "turns", "answered")


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Any]:
    store = SqliteLedger(tmp_path / "ledger.db")
    yield faust_app.application(["127.0.0.1:9"], store)
    store.close()


async def test_a_window_over_an_hour_old_is_forgotten(app: Any) -> None:
    windows = app.transport.ledger._windows
    table = windows.table
    await table.start()
    now = time.time()
    for age_s in (0, 50 * 60, 62 * 60):
        windows[ANSWERED][table.window.current(now - age_s)] = Amount(1, 1)
    await table._del_old_keys()
    assert len(table.data) == 2 and windows[ANSWERED][table.window.current(now)] == Amount(1, 1)
    assert windows[ANSWERED][table.window.current(now - 62 * 60)] == Amount()
    await table.stop()


async def test_it_may_declare_no_topic_and_has_one_agent_of_concurrency_1(app: Any) -> None:
    assert app.tables.changelog_topics == set() and not app.conf.topic_allow_declare and app.conf.topic_disable_leader
    assert [agent.concurrency for agent in app.agents.values()] == [1]
    assert app.conf.processing_guarantee.value == "at_least_once" and app.conf.table_standby_replicas == 0
