"""From what was meant to what is said. One event in, the clauses and the end of its turn out."""

from collections.abc import AsyncGenerator

from parlance.turn import Turn
from parlance.v1.actions_service_pb2 import RunRequest
from parlance.v1.context_service_pb2 import LookupRequest
from parlance.v1.effect_pb2 import TimerFired
from parlance.v1.intent_pb2 import IntentRecognized
from parlance.v1.reply_pb2 import (
    OUTCOME_ANSWERED,
    OUTCOME_REFUSED,
    REASON_POLICY,
    REASON_UNSPECIFIED,
    SETTLEMENT_REFUSED,
    ReplyClause,
    TurnCompleted,
)
from parlance.v1.state_pb2 import SessionSnapshot
from services.dialogue import chat
from services.dialogue.wording import fired, own_words

ACTS = ("time", "date", "timer", "alarm", "calc", "unit", "list", "note")
LOOKUPS = ("contacts", "calendar")

Event = IntentRecognized | TimerFired
Reply = ReplyClause | TurnCompleted


def converse(event: Event, turn: Turn[SessionSnapshot]) -> AsyncGenerator[Reply, None]:
    """What the turn says, clause by clause, then its end."""
    if isinstance(event, TimerFired):
        return _say(fired(event), turn)
    if turn.state.HasField("question"):
        return chat.answered(event, turn)
    domain = event.intent.partition(".")[0]
    if domain in ACTS:
        return _act(event, turn)
    if domain in LOOKUPS:
        return _look_up(event, turn)
    if words := own_words(event, turn.state):
        return _say(words, turn)
    return chat.asked(event, turn)


async def _say(words: str, turn: Turn[SessionSnapshot]) -> AsyncGenerator[Reply, None]:
    yield ReplyClause(text=words)
    yield turn.close(OUTCOME_ANSWERED, REASON_UNSPECIFIED)


async def _act(event: IntentRecognized, turn: Turn[SessionSnapshot]) -> AsyncGenerator[Reply, None]:
    done = await turn.ask.actions.Run(
        RunRequest(
            action=event.intent,
            slots=event.slots,
            text=event.text,
            now_us=turn.now,
            time_zone=turn.time_zone,
            device_id=turn.device,
        )
    )
    yield ReplyClause(text=done.say, card=done.card if done.HasField("card") else None, provider="actions")
    refused = done.settlement == SETTLEMENT_REFUSED
    yield turn.close(
        OUTCOME_REFUSED if refused else OUTCOME_ANSWERED,
        REASON_POLICY if refused else REASON_UNSPECIFIED,
    )


async def _look_up(event: IntentRecognized, turn: Turn[SessionSnapshot]) -> AsyncGenerator[Reply, None]:
    found = await turn.ask.context.Lookup(
        LookupRequest(query=event.intent, slots=event.slots, text=event.text, now_us=turn.now, time_zone=turn.time_zone)
    )
    yield ReplyClause(
        text=found.say, card=found.card if found.HasField("card") else None, source=found.source, provider="context"
    )
    yield turn.close(OUTCOME_ANSWERED, REASON_UNSPECIFIED)
