"""Rows in PostgreSQL, events on a real Kafka: the same turns, and no loss with the process or the server."""

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import postgres_server
from tests.e2e.conftest import Platform
from tests.processes import processes

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


@pytest.fixture(scope="module")
def on_postgres(own_kafka_url: str, postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with postgres_server.database(postgres_url) as url:
        extra = {"PARLANCE_BUS": own_kafka_url, "PARLANCE_DATABASE": url}
        made = Platform(tmp_path_factory.mktemp("postgres") / "home", extra=extra)
        made.cli("topics", "apply")
        yield made
        if made.process is not None and made.process.poll() is None:
            made.kill()


def test_an_unreachable_database_is_told_by_the_name_of_its_setting(on_postgres: Platform) -> None:
    wrong = {**on_postgres.extra, "PARLANCE_DATABASE": "postgresql://u:geheim@127.0.0.1:1/n"}
    done = Platform(on_postgres.home, extra=wrong).cli("run")
    assert done.returncode == 1 and "set PARLANCE_DATABASE to where it is" in done.stderr
    assert "geheim" not in done.stderr + done.stdout


def test_turns_are_answered_and_a_timer_goes_off_and_everything_survives_kill_9(on_postgres: Platform) -> None:
    on_postgres.start()
    assert on_postgres.json("ask", "put milk on my shopping list")["outcome"] == "answered"
    assert "3 seconds" in on_postgres.json("ask", "set a timer for three seconds")["reply"]
    on_postgres.kill()
    on_postgres.start()
    assert on_postgres.json("ask", "what's on my shopping list")["reply"].count("milk") == 1
    until = time.monotonic() + 20
    while on_postgres.json("ask", "what timers are running")["reply"] != "You have no timers running.":
        assert time.monotonic() < until, "the timer did not go off"
    with psycopg.connect(on_postgres.extra["PARLANCE_DATABASE"]) as db:
        counts = [db.execute(f"SELECT count(*) FROM {t}").fetchone() for t in ("parlance_row", "actions_call")]
        assert counts[0] == (1,) and counts[1] is not None and counts[1][0] >= 4
    assert not (on_postgres.home / "rows.db").exists()
    assert on_postgres.end() == 0
    with psycopg.connect(on_postgres.extra["PARLANCE_DATABASE"]) as db:
        assert db.execute("SELECT count(*) FROM parlance_outbox").fetchone() == (0,)


def test_replicas_share_the_rows_and_take_over_from_each_other(postgres_url: str, tmp_path: Path) -> None:
    """Two of actions and two of dialogue; one of each is killed."""
    with (
        postgres_server.database(postgres_url) as url,
        processes(tmp_path, {"actions": 2, "dialogue": 2}, {"PARLANCE_DATABASE": url}) as (stack, _),
    ):
        client = stack.client()
        assert client.json("ask", "put milk on my shopping list")["outcome"] == "answered"
        assert client.json("ask", "set a timer for four seconds")["outcome"] == "answered"
        stack["actions"].kill()
        stack["dialogue"].kill()
        shown = client.json("ask", "what's on my shopping list")
        assert shown["reply"].count("milk") == 1
        assert client.json("ask", "put tea on my shopping list")["outcome"] == "answered"
        until = time.monotonic() + 30
        while client.json("ask", "what timers are running")["reply"] != "You have no timers running.":
            assert time.monotonic() < until, "the timer of a replica that died did not go off"
        with psycopg.connect(url) as db:
            begun = db.execute("SELECT count(*), count(DISTINCT call_id) FROM actions_call").fetchone()
            assert begun is not None and begun[0] == begun[1] >= 4
