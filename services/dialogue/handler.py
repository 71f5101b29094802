"""From what was meant to what is said. One event in, the clauses and the end of its turn out."""

from collections.abc import AsyncGenerator

from parlance.turn import Turn
from parlance.v1.actions_service_pb2 import RunRequest
from parlance.v1.context_service_pb2 import LookupRequest
from parlance.v1.effect_pb2 import TimerFired
from parlance.v1.intent_pb2 import IntentRecognized
from parlance.v1.llm_service_pb2 import ROLE_ASSISTANT, ROLE_SYSTEM, ROLE_USER, AnswerRequest
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
from parlance.v1.turn_pb2 import LABEL_PERSONAL
from services.dialogue.clauses import Clauses
from services.dialogue.wording import fired, own_words

ACTS = ("time", "date", "timer", "alarm", "calc", "unit", "list", "note")
LOOKUPS = ("contacts", "calendar")
SYSTEM = (
    "You are a voice assistant. Answer in one to three short spoken sentences, without lists, markup or emoji. "
    "Say so when you do not know."
)

Event = IntentRecognized | TimerFired
Reply = ReplyClause | TurnCompleted


def converse(event: Event, turn: Turn[SessionSnapshot]) -> AsyncGenerator[Reply, None]:
    """What the turn says, clause by clause, then its end."""
    if isinstance(event, TimerFired):
        return _say(fired(event), turn)
    domain = event.intent.partition(".")[0]
    if domain in ACTS:
        return _act(event, turn)
    if domain in LOOKUPS:
        return _look_up(event, turn)
    if words := own_words(event, turn.state):
        return _say(words, turn)
    return _chat(event, turn)


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


async def _chat(event: IntentRecognized, turn: Turn[SessionSnapshot]) -> AsyncGenerator[Reply, None]:
    request = _request(event.text, turn.state)
    provider, version, splitter = "", "", Clauses()
    async for part in turn.ask.llm.Answer(request):
        if part.HasField("began"):
            provider, version = part.began.provider, part.began.route_version
        for text in splitter.add(part.text):
            yield ReplyClause(text=text, provider=provider, route_version=version)
    for text in splitter.rest():
        yield ReplyClause(text=text, provider=provider, route_version=version)
    yield turn.close(OUTCOME_ANSWERED, REASON_UNSPECIFIED)


def _request(text: str, state: SessionSnapshot) -> AnswerRequest:
    """The question, after what both sides have said before."""
    made = AnswerRequest(label=LABEL_PERSONAL)
    add = made.messages.add
    add(role=ROLE_SYSTEM, text=SYSTEM)
    for exchange in state.conversation:
        add(role=ROLE_USER, text=exchange.user_text)
        if words := exchange.reply_text:
            add(role=ROLE_ASSISTANT, text=words)
    add(role=ROLE_USER, text=text)
    return made
