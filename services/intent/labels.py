"""Which sentences of the public sets mean which of our intents; used in training only.

CLINC150 and HWU64 cut the world differently: some of their labels are ours under another name, some hold two of ours
and are parted by words, some say nothing clear and are left out, and all others are what the language model answers.
"""

import re
from collections.abc import Callable

from services.intent.provider import CHAT

Rule = str | Callable[[str], str | None] | None

_REMOVE = re.compile(
    r"\b(delete|remove|take .*\boff|take away|cross|strike|scratch|clear|empty|erase|no longer|get rid)"
)
_ADD = re.compile(r"\b(add|put|include|write|insert|need)\b")
_DAY = re.compile(r"\b(today|tonight|tomorrow|week|month|morning|afternoon|\w+day|\w+ary|march|april|may|june|july)\b")
_MUSIC = re.compile(r"\b(song|playlist|music|album|alarm|email|news)\b")


def _list_change(text: str) -> str | None:
    """Adding or removing; a sentence that does both, or sounds like music, teaches nothing."""
    removes, adds = bool(_REMOVE.search(text)), bool(_ADD.search(text))
    if removes == adds or _MUSIC.search(text):
        return None
    return "list.remove" if removes else "list.add"


def _list_removal(text: str) -> str | None:
    return "list.remove" if _REMOVE.search(text) and not _MUSIC.search(text) else None


def _calendar(text: str) -> str | None:
    if re.search(r"\bnext (meeting|event|appointment)|\bwhen (is|are|do|will)\b|what time", text):
        return "calendar.next" if not _DAY.search(text) else None
    return "calendar.day" if _DAY.search(text) else None


def _reminder(text: str) -> str | None:
    return (
        "list.add" if re.search(r"\bremind me to\b", text) and not re.search(r"\bat \w+|\bin \w+ min", text) else None
    )


def _clock(text: str) -> str | None:
    if re.search(r"\b(time|clock|hour)\b", text) and not re.search(r"\b(zone|convert|season|alarm)\b", text):
        return "time.now"
    return "date.today" if re.search(r"\b(today|todays|current) ?('s)? ?(date|day)\b|what day is it", text) else None


def _contact(text: str) -> str | None:
    kinds = {"contacts.phone": r"phone|number", "contacts.email": r"e ?mail", "contacts.birthday": r"birthday"}
    found = [intent for intent, words in kinds.items() if re.search(words, text)]
    return found[0] if len(found) == 1 and re.search(r"'s|\b(of|for)\b", text) else None


def _repetition(text: str) -> str | None:
    return "repeat" if re.search(r"\b(repeat|again|once more|said|say)\b", text) and "start" not in text else None


def _sum(text: str) -> str | None:
    numbers = r"\d|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|hundred"
    return "calc.evaluate" if len(re.findall(numbers, text)) > 1 else CHAT


CLINC150: dict[str, Rule] = {
    "time": "time.now",
    "date": "date.today",
    "timer": "timer.set",
    "alarm": "alarm.set",
    "calculator": "calc.evaluate",
    "measurement_conversion": "unit.convert",
    "shopping_list": "list.show",
    "shopping_list_update": _list_change,
    "todo_list": "list.show",
    "todo_list_update": _list_change,
    "reminder": "list.show",
    "reminder_update": _reminder,
    "calendar": _calendar,
    "meeting_schedule": _calendar,
    "yes": "affirm",
    "no": "deny",
    "cancel": "stop",
    "repeat": "repeat",
    "what_can_i_ask_you": "help",
    "greeting": "greeting",
    "maybe": None,
}

HWU64: dict[str, Rule] = {
    "alarm_set": "alarm.set",
    "alarm_query": "alarm.list",
    "alarm_remove": "alarm.cancel",
    "calendar_query": _calendar,
    "calendar_set": None,
    "datetime_query": _clock,
    "datetime_convert": None,
    "email_querycontact": _contact,
    "general_affirm": None,
    "general_confirm": None,
    "general_negate": None,
    "general_explain": None,
    "general_dontcare": None,
    "general_quirky": None,
    "general_commandstop": "stop",
    "general_repeat": _repetition,
    "lists_createoradd": _list_change,
    "lists_query": "list.show",
    "lists_remove": _list_removal,
    "audio_volume_mute": None,
    "qa_maths": _sum,
}


def intent_of(label: str, text: str, rules: dict[str, Rule]) -> str | None:
    """Our intent for a sentence of another set; None where the sentence would teach something wrong."""
    rule = rules.get(label, CHAT)
    return rule(text) if callable(rule) else rule
