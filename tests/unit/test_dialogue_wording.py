"""What dialogue itself says at the end of a turn that was ended from outside its handler."""

import pytest

from parlance.errors import Internal, ParlanceError, RateLimited, Unavailable
from parlance.v1.effect_pb2 import TimerFired
from parlance.v1.reply_pb2 import Outcome, Reason, SettledCall, Settlement
from services.dialogue.wording import closing, fired

FAILED = Outcome.OUTCOME_FAILED


def _say(reason: Reason.ValueType, error: ParlanceError | None = None, *settled: Settlement.ValueType) -> str:
    calls = [SettledCall(call_id=str(n), settlement=s) for n, s in enumerate(settled)]
    return closing(FAILED, reason, error.to_proto() if error else None, calls)


def test_a_cancelled_turn_says_nothing() -> None:
    done = [SettledCall(settlement=Settlement.SETTLEMENT_DONE)]
    assert closing(Outcome.OUTCOME_CANCELLED, Reason.REASON_INTERRUPTED, None, done) == ""


@pytest.mark.parametrize(
    ("settlement", "sentence"),
    [
        (Settlement.SETTLEMENT_DONE, "What you asked for is done."),
        (Settlement.SETTLEMENT_REFUSED, "What you asked for was not done."),
        (Settlement.SETTLEMENT_UNKNOWN, "I do not know whether what you asked for happened."),
        (Settlement.SETTLEMENT_UNSETTLED, "I do not know yet whether what you asked for happened."),
    ],
)
def test_a_turn_that_took_too_long_says_what_became_of_its_act(settlement: Settlement.ValueType, sentence: str) -> None:
    assert _say(Reason.REASON_DEADLINE, None, settlement) == f"That took too long. {sentence}"


def test_the_same_news_of_two_acts_is_said_once() -> None:
    done = Settlement.SETTLEMENT_DONE
    assert _say(Reason.REASON_DEADLINE, None, done, done) == "That took too long. What you asked for is done."


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (Unavailable("host 10.0.0.1 refused"), "I could not reach the service that answers this."),
        (RateLimited("429"), "The service that answers this is too busy right now."),
        (Internal("unexpected KeyError"), "Something went wrong."),
    ],
)
def test_an_error_is_told_in_words_for_people(error: ParlanceError, sentence: str) -> None:
    assert _say(Reason.REASON_ERROR, error) == sentence


def test_an_answer_that_was_lost_is_said_to_be_lost() -> None:
    assert _say(Reason.REASON_ANSWER_LOST, Unavailable("gone")) == "I lost the rest of that answer."


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (TimerFired(duration_s=1), "Your 1 second timer is done."),
        (TimerFired(duration_s=7325, label="roast"), "Your roast 2 hour 2 minute 5 second timer is done."),
        (TimerFired(), "Your timer is done."),
        (TimerFired(alarm=True, label="morning"), "It is time: your morning alarm."),
    ],
)
def test_a_timer_or_an_alarm_says_what_it_is(event: TimerFired, sentence: str) -> None:
    assert fired(event) == sentence
