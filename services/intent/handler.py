"""From what was heard or typed to what was meant. Keeps no state."""

from collections.abc import AsyncGenerator

from parlance.v1.intent_pb2 import IntentRecognized, Slot
from parlance.v1.session_pb2 import SessionEvent
from parlance.v1.speech_pb2 import SpeechEvent
from parlance.v1.turn_pb2 import CAPABILITY_CHAT, CAPABILITY_UNSPECIFIED, Capability, StageFailed
from services.intent.capability import capability_of
from services.intent.provider import CHAT, Routed

# The payloads that `understand` makes something of.
KINDS = ("accepted", "final", "failed")


async def understand(
    event: SpeechEvent | SessionEvent, routed: Routed
) -> AsyncGenerator[IntentRecognized | StageFailed, None]:
    """A final transcript or a typed turn gives exactly one IntentRecognized; speech's failure is passed on.

    A spoken turn that is only accepted, and all other events of the session, give nothing."""
    kind = event.WhichOneof("event")
    if isinstance(event, SpeechEvent) and kind == "failed":
        yield event.failed
    elif isinstance(event, SpeechEvent) and kind == "final":
        yield await _recognize(event.final.text, event.final.no_speech, routed)
    elif isinstance(event, SessionEvent) and kind == "accepted" and event.accepted.text:
        yield await _recognize(event.accepted.text, False, routed)


async def _recognize(text: str, no_speech: bool, routed: Routed) -> IntentRecognized:
    if no_speech or not text.strip():
        return IntentRecognized(no_speech=True, route_version=routed.route_version)
    meant = await routed.provider.understand(text)
    return IntentRecognized(
        intent=meant.intent,
        slots=[Slot(name=name, value=value) for name, value in sorted(meant.slots.items())],
        text=text,
        confidence=round(meant.confidence, 4),
        provider=meant.found_by,
        route_version=routed.route_version,
        capability=_asked_for(text) if meant.intent == CHAT else CAPABILITY_UNSPECIFIED,
    )


def _asked_for(text: str) -> Capability.ValueType:
    """UNSPECIFIED is to talk, as it always was: turns of before, understood again, give the same bytes."""
    found = capability_of(text)
    return CAPABILITY_UNSPECIFIED if found == CAPABILITY_CHAT else found
