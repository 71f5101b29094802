"""What speech publishes of a turn. Pure."""

from google.protobuf.message import Message

from parlance.errors import ParlanceError
from parlance.outgoing import caused_by
from parlance.v1.speech_pb2 import FinalTranscript, SpeechEvent
from parlance.v1.turn_pb2 import Header, Label, StageFailed

# From the end of speech: the turn's answer_by.
ANSWER_US = 30_000_000


def final_event(header: Header, fact: FinalTranscript, asked_at_us: int) -> SpeechEvent:
    return SpeechEvent(header=_asked(header, fact, asked_at_us), final=fact)


def failed_event(header: Header, error: ParlanceError, asked_at_us: int) -> SpeechEvent:
    body = StageFailed(stage="speech", error=error.to_proto())
    return SpeechEvent(header=_asked(header, body, asked_at_us), failed=body)


def _asked(header: Header, body: Message, asked_at_us: int) -> Header:
    """The header of the fact. Audio that came faster than it was spoken cannot have been asked before it came."""
    made = caused_by(header, body)
    made.asked_at_us = max(asked_at_us, header.accepted_at_us)
    made.deadline_us = made.asked_at_us + ANSWER_US
    made.label = max(header.label, Label.LABEL_PERSONAL)
    return made
