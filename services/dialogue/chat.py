"""What a language model answers, and what it takes for that: the user's word on who may see the question."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from parlance.errors import InvalidRequest, PermissionDenied
from parlance.turn import Turn
from parlance.v1.intent_pb2 import IntentRecognized
from parlance.v1.llm_service_pb2 import ConsentNeeded, RememberConsentRequest
from parlance.v1.reply_pb2 import (
    OUTCOME_ANSWERED,
    OUTCOME_REFUSED,
    REASON_ASKED,
    REASON_POLICY,
    REASON_UNSPECIFIED,
    Question,
    ReplyClause,
    TurnCompleted,
)
from parlance.v1.state_pb2 import SessionSnapshot
from parlance.v1.turn_pb2 import CONSENT_ALWAYS, CONSENT_NEVER
from services.dialogue import wording
from services.dialogue.meant import Said, meant
from services.dialogue.prompt import request_of
from services.dialogue.replying import Replying

Reply = ReplyClause | TurnCompleted
View = Turn[SessionSnapshot]
_KEPT = {Said.ALWAYS: CONSENT_ALWAYS, Said.NEVER: CONSENT_NEVER}


def asked(event: IntentRecognized, turn: View) -> AsyncGenerator[Reply, None]:
    """A question of its own."""
    return _ask(Question(text=event.text, capability=event.capability, asked_in=turn.id), turn)


async def answered(event: IntentRecognized, turn: View) -> AsyncGenerator[Reply, None]:
    """What was said when asked whether a vendor may see a question; then the question goes its way."""
    question = Question()
    question.CopyFrom(turn.state.question)
    if turn.state.ask_again:
        for reply in _may_i(question, turn):
            yield reply
        return
    said, vendor = meant(event, question.speaks_as) or Said.NO, question.vendor
    if said in _KEPT:
        await turn.ask.llm.RememberConsent(RememberConsentRequest(vendor=vendor, consent=_KEPT[said]))
    (question.consents if said in (Said.YES, Said.ALWAYS) else question.refused).append(vendor)
    began = False
    try:
        async with aclosing(_ask(question, turn)) as replies:
            async for reply in replies:
                began = True
                yield reply
    except PermissionDenied:
        if began or said in (Said.YES, Said.ALWAYS):
            raise
        yield ReplyClause(text=wording.not_asked(question.speaks_as, said is Said.NEVER, turn.state.persona))
        yield turn.close(OUTCOME_ANSWERED, REASON_UNSPECIFIED)


async def _ask(question: Question, turn: View) -> AsyncGenerator[Reply, None]:
    replying, needed = Replying(turn.state.persona, question.text), ConsentNeeded()
    try:
        async for part in turn.ask.llm.Answer(request_of(question, turn.state)):
            needed.MergeFrom(part.consent_needed)
            for clause in replying.take(part):
                yield clause
    except InvalidRequest:
        words = "" if replying.said else wording.nobody_can(question.capability)
        if not words:
            raise
        yield ReplyClause(text=words)
        yield turn.close(OUTCOME_REFUSED, REASON_POLICY)
        return
    if needed.vendor:
        for reply in _may_i(_about(question, needed), turn):
            yield reply
        return
    for clause in replying.rest():
        yield clause
    yield turn.close(OUTCOME_ANSWERED, REASON_UNSPECIFIED)


def _about(question: Question, needed: ConsentNeeded) -> Question:
    """Raises PermissionDenied where the user has said no already."""
    if needed.vendor in question.refused:
        raise PermissionDenied(f"the user does not let {needed.vendor} see this")
    question.vendor, question.speaks_as = needed.vendor, needed.speaks_as
    return question


def _may_i(question: Question, turn: View) -> tuple[Reply, Reply]:
    words = wording.may_i_ask(question.speaks_as, turn.state.persona)
    return ReplyClause(text=words), turn.close(OUTCOME_ANSWERED, REASON_ASKED, question)
