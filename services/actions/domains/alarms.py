"""Alarms: set, list, cancel. An alarm has a time of day where a timer has a length; the ticker makes it go off."""

import re
from datetime import datetime

from parlance.spoken import duration_in, join, number_in
from parlance.spoken_time import Clock, day_in, next_at, say_day, say_time, time_in
from services.actions.domain import Action, Asked, Done, Effect, Row, Rows

KIND = "alarm"
_LONGEST_S = 7 * 86400
_ALL = re.compile(r"\b(all|every|both|alarms)\b")


def set_(asked: Asked, rows: Rows) -> Done:
    moment = _after(asked)
    clock = _clock(asked)
    if moment is not None:
        return _set(moment, asked, rows)
    if clock is None:
        return Done("For what time? Say, for example, set an alarm for seven AM tomorrow.", acted=False)
    day = day_in(asked.slot("day") or asked.text, asked.now.date())
    if day is not None and not clock.sure and "morning" not in asked.text and day == asked.now.date():
        day = None if next_at(clock, day, asked.now) is None else day
    moment = next_at(clock, day, asked.now)
    if moment is None:
        return Done("That time has already passed. Name a time to come.", acted=False)
    return _set(moment, asked, rows)


def _after(asked: Asked) -> datetime | None:
    """ "an alarm in ten minutes": the moment, where a length was said in place of a time of day."""
    seconds = number_in(asked.slot("duration")) or (duration_in(asked.text) if not asked.slot("time") else None)
    if not seconds or not 1 <= seconds <= _LONGEST_S:
        return None
    return datetime.fromtimestamp(asked.now.timestamp() + float(seconds), asked.now.tzinfo)


def _set(moment: datetime, asked: Asked, rows: Rows) -> Done:
    due_us = int(moment.timestamp() * 1e6)
    if any(row.due_us == due_us for row in rows.all(KIND)):
        return Done(f"You already have an alarm for {_when(moment, asked)}.", acted=False)
    rows.add(KIND, {"label": asked.slot("name", "label").lower()}, due_us)
    return Done(f"Your alarm is set for {_when(moment, asked)}.", f"your alarm is set for {_when(moment, asked)}")


def list_(asked: Asked, rows: Rows) -> Done:
    found = sorted(rows.all(KIND), key=lambda r: r.due_us)
    if not found:
        return Done("You have no alarms set.")
    times = [_when(_moment(row, asked), asked) for row in found]
    kind = "an alarm" if len(times) == 1 else f"{len(times)} alarms"
    return Done(f"You have {kind}: for {join(times)}.".replace("alarm: for", "alarm for"), title="Alarms", lines=times)


def cancel(asked: Asked, rows: Rows) -> Done:
    found = rows.all(KIND)
    if not found:
        return Done("You have no alarms set.", acted=False)
    meant = _meant(asked, found)
    if not meant:
        times = join([_when(_moment(row, asked), asked) for row in found])
        return Done(f"I am not sure which alarm. There is one for {times}.", acted=False)
    for row in meant:
        rows.remove(row)
    if len(meant) > 1:
        return Done(f"{len(meant)} alarms are cancelled.", f"{len(meant)} alarms are cancelled")
    when = _when(_moment(meant[0], asked), asked)
    return Done(f"Your alarm for {when} is cancelled.", f"your alarm for {when} is cancelled")


def _clock(asked: Asked) -> Clock | None:
    """A slot "07:00" says which half of the day only where the text does, or where it can be only one."""
    said = time_in(asked.text)
    slot = re.fullmatch(r"(\d{1,2}):(\d{2})", asked.slot("time"))
    if slot is None:
        found = time_in(asked.slot("time")) or said
    else:
        hour, minute = int(slot[1]), int(slot[2])
        unsure = said is not None and not said.sure and (hour % 12, minute) == (said.hour % 12, said.minute)
        found = Clock(hour, minute, not unsure or hour > 12) if hour < 24 and minute < 60 else said
    if found is not None and not found.sure and re.search(r"\b(wake|get me up|tomorrow)\b", asked.text.lower()):
        return Clock(found.hour % 12, found.minute, True)
    return found


def _meant(asked: Asked, found: list[Row]) -> list[Row]:
    clock = _clock(asked)
    if clock is not None:
        hours = {clock.hour} if clock.sure else {clock.hour % 12, clock.hour % 12 + 12}
        moments = [(row, _moment(row, asked)) for row in found]
        return [row for row, m in moments if m.hour in hours and m.minute == clock.minute][:1]
    return found if len(found) == 1 or _ALL.search(asked.text.lower()) else []


def _moment(row: Row, asked: Asked) -> datetime:
    return datetime.fromtimestamp(row.due_us / 1e6, asked.now.tzinfo)


def _when(moment: datetime, asked: Asked) -> str:
    return f"{say_time(moment)} {say_day(moment.date(), asked.now.date())}"


ACTIONS = {
    "alarm.set": Action(Effect.LOCAL, act=set_),
    "alarm.list": Action(Effect.READ, act=list_),
    "alarm.cancel": Action(Effect.LOCAL, act=cancel),
}
