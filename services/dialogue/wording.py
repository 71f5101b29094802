"""Sentences that dialogue itself says: composed from data, never by a model."""

from collections.abc import Sequence

from parlance.v1.effect_pb2 import TimerFired
from parlance.v1.intent_pb2 import IntentRecognized
from parlance.v1.reply_pb2 import Outcome, Reason, SettledCall, Settlement
from parlance.v1.state_pb2 import Persona, SessionSnapshot
from parlance.v1.turn_pb2 import Capability, Error, ErrorCode

_FIXED = {
    "greeting": "Hello. What can I do for you?",
    "stop": "Okay.",
    "affirm": "There is nothing to confirm right now.",
    "deny": "Okay.",
    "help": (
        "You can ask me for the time anywhere, set timers and alarms, calculate, convert units, keep lists and "
        "notes, and ask about your contacts and your calendar."
    ),
}

_CAN = {
    Capability.CAPABILITY_WEB: "can look into the web",
    Capability.CAPABILITY_CODE: "is for code",
    Capability.CAPABILITY_SUMMARY: "writes summaries",
}
# Of the pages that an answer rests on; all of them are shown.
_HOSTS_SAID = 3

_UNITS = ((3600, "hour"), (60, "minute"), (1, "second"))

_WHY = {
    ErrorCode.ERROR_CODE_UNAVAILABLE: "I could not reach the service that answers this.",
    ErrorCode.ERROR_CODE_DEADLINE_EXCEEDED: "That took too long.",
    ErrorCode.ERROR_CODE_RATE_LIMITED: "The service that answers this is too busy right now.",
    ErrorCode.ERROR_CODE_QUOTA_EXHAUSTED: "The budget for this is used up.",
    ErrorCode.ERROR_CODE_REFUSED: "I may not do that.",
    ErrorCode.ERROR_CODE_UNAUTHENTICATED: "The service that answers this does not accept our key.",
    ErrorCode.ERROR_CODE_PERMISSION_DENIED: "I may not do that.",
}

_ACTS = {
    Settlement.SETTLEMENT_DONE: "What you asked for is done.",
    Settlement.SETTLEMENT_FAILED: "What you asked for failed.",
    Settlement.SETTLEMENT_UNKNOWN: "I do not know whether what you asked for happened.",
    Settlement.SETTLEMENT_UNSETTLED: "I do not know yet whether what you asked for happened.",
    Settlement.SETTLEMENT_REFUSED: "What you asked for was not done.",
}


def own_words(event: IntentRecognized, state: SessionSnapshot) -> str:
    """The answer that needs nobody else; "" where there is none."""
    if event.intent == "repeat":
        last = next((e.reply_text for e in reversed(state.conversation) if e.reply_text), "")
        return last or "I have not said anything yet."
    return _FIXED.get(event.intent, "")


def may_i_ask(name: str, persona: Persona) -> str:
    whom = "a partner's model" if persona.own_brand else name
    return f"May I ask {whom}? You can say yes, no, always or never."


def not_asked(name: str, never: bool, persona: Persona) -> str:
    """Nobody else is left."""
    whom = "it" if persona.own_brand else name
    return f"Okay. I will never ask {whom}." if never else "Okay. Then I have nobody else to ask."


def nobody_can(capability: Capability.ValueType) -> str:
    """No model of the route can do it, and what would mend that; "" where it is nothing in particular."""
    can = _CAN.get(capability)
    if can is None:
        return ""
    kind = Capability.Name(capability).removeprefix("CAPABILITY_").lower()
    return f"I have no language model that {can}. To add one, type: parlance routes set llm TARGET --for {kind}"


def says(name: str, text: str) -> str:
    """Whose answer it is; "": one's own."""
    return f"{name} says: {text}" if name else text


def is_from(hosts: Sequence[str]) -> str:
    """Where an answer is from; "" where nobody told."""
    if not hosts:
        return ""
    named, more = hosts[:_HOSTS_SAID], len(hosts) - _HOSTS_SAID
    if more > 0:
        return f"That is from {', '.join(named)} and {more} more."
    return f"That is from {' and '.join(filter(None, [', '.join(named[:-1]), named[-1]]))}."


def fired(event: TimerFired) -> str:
    """What a timer or an alarm says."""
    name = f" {event.label}" if event.label else ""
    if event.alarm:
        return f"It is time: your{name} alarm."
    return (
        f"Your{name} {_length(event.duration_s)} timer is done." if event.duration_s else f"Your{name} timer is done."
    )


def _length(seconds: int) -> str:
    parts = []
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts)


def closing(
    outcome: Outcome.ValueType, reason: Reason.ValueType, error: Error | None, calls: Sequence[SettledCall]
) -> str:
    """What is said after the last clause of a turn that was ended from outside its handler; "" when cancelled."""
    if outcome == Outcome.OUTCOME_CANCELLED:
        return ""
    why = {
        Reason.REASON_DEADLINE: "That took too long.",
        Reason.REASON_ANSWER_LOST: "I lost the rest of that answer.",
        Reason.REASON_NOBODY_THERE: "",
    }.get(reason)
    if why is None:
        why = _WHY.get(error.code, "Something went wrong.") if error is not None else "Something went wrong."
    acts = [_ACTS[c.settlement] for c in calls if c.settlement in _ACTS]
    return " ".join(dict.fromkeys(filter(None, [why, *acts])))
