"""What a language model is asked: as whom it speaks, what both sides have said before, the question."""

from collections.abc import Sequence

from parlance.v1.llm_service_pb2 import ROLE_ASSISTANT, ROLE_SYSTEM, ROLE_USER, AnswerRequest
from parlance.v1.reply_pb2 import Question
from parlance.v1.state_pb2 import Exchange, Persona, SessionSnapshot
from parlance.v1.turn_pb2 import CAPABILITY_CHAT, LABEL_PERSONAL

SYSTEM = (
    "You are a voice assistant. Answer in one to three short spoken sentences, without lists, markup or emoji. "
    "Say so when you do not know."
)
_OWN_BRAND = "Never say which company or which model is behind you."


def request_of(question: Question, state: SessionSnapshot) -> AnswerRequest:
    """The question, after what both sides have said before."""
    made = AnswerRequest(
        label=LABEL_PERSONAL,
        capability=question.capability or CAPABILITY_CHAT,
        consents=question.consents,
        refused=question.refused,
        identifiers=state.identifiers,
        names_unknown=state.names_unknown,
    )
    add = made.messages.add
    add(role=ROLE_SYSTEM, text=system(state.persona))
    for exchange in _before(question, state.conversation):
        add(role=ROLE_USER, text=exchange.user_text)
        if words := exchange.reply_text:
            add(role=ROLE_ASSISTANT, text=words)
    add(role=ROLE_USER, text=question.text)
    return made


def system(persona: Persona) -> str:
    parts = [persona.style or SYSTEM]
    if persona.name:
        parts.append(f"Your name is {persona.name}.")
    if persona.own_brand:
        parts.append(_OWN_BRAND)
    return " ".join(parts)


def _before(question: Question, conversation: Sequence[Exchange]) -> Sequence[Exchange]:
    """Without whether somebody may be asked: that is between us and the user."""
    at = next((n for n, e in enumerate(conversation) if e.turn_id == question.asked_in), len(conversation))
    return conversation[:at]
