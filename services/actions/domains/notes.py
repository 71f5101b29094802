"""Notes: take one, hear the newest again."""

import re

from parlance.spoken import capital
from services.actions.domain import Action, Asked, Done, Effect, Rows

KIND = "note"
_READ = 5
_ORDER = ("first", "second", "third", "fourth", "fifth")
_TEXT = re.compile(
    r"^(?:please |can you |could you )*"
    r"(?:(?:take|make|add|write|save|create|leave|start) (?:a |an |the |down |me )*(?:new )?note"
    r"|note down|note|write down|remember|make a note|jot down)"
    r"[\s:,]*(?:saying|that says|that|of|to self|about)?[\s:,]*(?P<text>.*)$",
    re.IGNORECASE,
)


def add(asked: Asked, rows: Rows) -> Done:
    text = asked.slot("text", "note")
    if not text and (found := _TEXT.search(asked.text.strip())):
        text = found["text"].strip()
    if not text:
        return Done("What should the note say?", acted=False)
    text = text.rstrip(".")
    rows.add(KIND, {"text": text})
    return Done(f"I noted: {text}.", "your note is saved")


def show(asked: Asked, rows: Rows) -> Done:
    notes = [row.data["text"] for row in rows.all(KIND)]
    if not notes:
        return Done("You have no notes.")
    newest = notes[-_READ:]
    if len(notes) == 1:
        return Done(f"You have one note: {notes[0]}.", title="Notes", lines=notes)
    count = f"You have {len(notes)} notes" + (f", the newest {_READ} are" if len(notes) > _READ else "")
    read = " ".join(f"{capital(order)}: {text}." for order, text in zip(_ORDER, newest, strict=False))
    return Done(f"{count}. {read}".replace("are. ", "are these. "), title="Notes", lines=newest)


ACTIONS = {
    "note.add": Action(Effect.LOCAL, act=add),
    "note.show": Action(Effect.READ, act=show),
    "note.list": Action(Effect.READ, act=show),
}
