"""What the command line shows of turns."""

from datetime import datetime
from typing import Any

import pytest
from rich.console import Console

from parlance import cli_show
from parlance.deadletters import no_event
from parlance.v1.dead_pb2 import DeadLetter
from parlance.v1.gateway_service_pb2 import GetTurnResponse, Step, TurnSummary
from parlance.v1.reply_pb2 import Outcome

SECOND = 1_000_000
NOON = 1_800_000_000 * SECOND  # on the whole second


def turn(asked_us: int) -> TurnSummary:
    return TurnSummary(
        turn_id="0a0b0c0d-0000-4000-8000-000000000001",
        outcome=Outcome.OUTCOME_ANSWERED,
        accepted_at_us=NOON,
        asked_at_us=asked_us,
        text="what is it",
        reply="It is noon.",
    )


def shown(what: Any, width: int = 80) -> str:
    console = Console(width=width, highlight=False)
    with console.capture() as got:
        console.print(what)
    return got.get()


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_show, "_local", lambda us: cli_show.datetime.fromtimestamp(us / 1e6, cli_show.UTC))


@pytest.mark.parametrize(("after_us", "differs"), [(2_340_000, True), (60_000, True), (9_000, False), (-NOON, False)])
def test_a_turn_shows_when_it_was_asked_where_that_is_not_when_it_began(after_us: int, differs: bool) -> None:
    told = turn(NOON + after_us)
    table = shown(cli_show.turns_table([told]))
    assert "15 Jan 08:00:00" in table and ("asked  08:00:0" in table) == differs
    head = shown(cli_show.waterfall(GetTurnResponse(summary=told)))
    assert "2027-01-15T08:00:00.000+00:00" in head and ("spoken for" in head) == differs
    if after_us > SECOND:
        assert "spoken for 2.3 s, until 2027-01-15T08:00:02.340+00:00" in head


def test_json_holds_both_times() -> None:
    told = cli_show.turn_json(turn(NOON + 2 * SECOND))
    assert (told["accepted_at"], told["asked_at"]) == ("2027-01-15T08:00:00.000+00:00", "2027-01-15T08:00:02.000+00:00")
    assert cli_show.turn_json(turn(0))["asked_at"] is None


def test_where_words_left_the_device_the_turn_says_so() -> None:
    told = GetTurnResponse(summary=turn(NOON))
    told.steps.append(Step(name="llm", event="EgressRecorded", note="question", left_to="api.example.org"))
    assert "left this device: question to api.example.org" in shown(cli_show.waterfall(told))
    assert cli_show.waterfall_json(told)["stages"][0]["left_to"] == "api.example.org"
    told.steps[0].left_to = ""
    assert "left this device" not in shown(cli_show.waterfall(told))
    assert cli_show.waterfall_json(told)["stages"][0]["left_to"] is None


def test_a_dead_letter_shows_when_it_died_in_eighty_columns() -> None:
    letter = DeadLetter(stage="dialogue", topic="session.v1", partition=3, offset=123456, attempts=1)
    letter.died_at_us = int(datetime(2026, 11, 30, 5, 3, 2).timestamp() * 1e6)
    letter.error.CopyFrom(no_event("session.v1").to_proto())
    assert "30 Nov 05:03:02" in shown(cli_show.letters_table([("dialogue/1234", letter)]))
