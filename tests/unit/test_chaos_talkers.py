"""What a talker of the chaos tests makes of what it is told."""

import time

from parlance import clock
from parlance.v1.gateway_service_pb2 import Accepted, Ended, Spoken
from parlance.v1.reply_pb2 import Outcome, Reason
from tests.chaos.talkers import Asked, Talker


def _talker() -> tuple[Talker, Asked]:
    talker = Talker("127.0.0.1:1", "talk-0", voiced=True)
    asked = Asked("set a timer", "talk-0", time.monotonic(), clock.now_us(), spoken=True)
    talker.asked.append(asked)
    return talker, asked


def test_an_utterance_that_is_refused_at_the_door_is_over() -> None:
    talker, asked = _talker()
    refused = Ended(turn_id="r", outcome=Outcome.OUTCOME_REFUSED, reason=Reason.REASON_OVERLOADED, say="Too much.")
    talker._on_ended(refused)
    talker._on_spoken(Spoken(turn_id="r"))
    assert asked.over and asked.outcome == "refused" and asked.problems


def test_another_turn_that_was_refused_is_not_taken_for_one_that_was_accepted() -> None:
    talker, asked = _talker()
    talker._on_accepted(Accepted(turn_id="a"))
    talker._on_ended(Ended(turn_id="r", outcome=Outcome.OUTCOME_REFUSED, reason=Reason.REASON_OVERLOADED))
    talker._on_spoken(Spoken(turn_id="r"))
    assert not asked.over and asked.turn_id == "a"
