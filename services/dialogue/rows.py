"""Pure functions over dialogue's row of one session (SessionRow)."""

from collections.abc import Iterable
from typing import Any

from parlance.events import parse
from parlance.v1.reply_pb2 import TurnCompleted
from parlance.v1.state_pb2 import EndedTurn, Exchange, OpenTurn, SessionRow, SessionSnapshot
from parlance.v1.turn_pb2 import Header, Heard
from services.dialogue import questions

_REMEMBERED = 8
_ENDED_KEPT = 24
_HEARD_KEPT = 8


def find_open(row: SessionRow, turn_id: str) -> OpenTurn | None:
    return next((t for t in row.open if t.header.turn_id == turn_id), None)


def is_ended(row: SessionRow, turn_id: str) -> bool:
    return any(t.turn_id == turn_id for t in row.ended)


def sounds(row: SessionRow) -> bool:
    return any(t.sounding for t in row.ended)


def add_open(row: SessionRow, header: Header) -> OpenTurn:
    turn = row.open.add()
    turn.header.CopyFrom(header)
    return turn


def took(turn: OpenTurn, header: Header) -> None:
    """Notes that the turn consumed the event with this header; from asked_at on, answer_by holds."""
    if header.event_id not in turn.event_ids:
        turn.event_ids.append(header.event_id)
    if header.asked_at_us and not turn.header.asked_at_us:
        turn.header.asked_at_us = header.asked_at_us
        turn.header.deadline_us = header.deadline_us
    turn.header.label = max(turn.header.label, header.label)


def snapshot_of(row: SessionRow) -> SessionSnapshot:
    return SessionSnapshot(conversation=row.conversation)


def end(row: SessionRow, turn: OpenTurn, clauses: Iterable[str], completed: TurnCompleted, now_us: int) -> None:
    """Moves a turn from open to ended and lets the conversation remember it.

    Where it is not known how far the turn spoke, it is not known either after how many clauses `say` comes."""
    unknown = completed.inputs.unknown
    said = [*clauses, completed.say] if completed.say and not unknown else list(clauses)
    row.ended.append(
        EndedTurn(
            turn_id=turn.header.turn_id,
            accepted_at_us=turn.header.accepted_at_us,
            clauses=said,
            user_text=turn.user_text,
            sounding=bool(said) or unknown,
            device_id=turn.header.device_id,
            ended_at_us=now_us,
        )
    )
    if turn.user_text or said:
        row.conversation.append(
            Exchange(turn_id=turn.header.turn_id, user_text=turn.user_text, reply_text=" ".join(said))
        )
    drop_waiting(row, turn.header.turn_id)
    questions.asked(row, turn, completed)
    if row.heard:
        _apply_kept(row, turn.header.turn_id)
    row.open.remove(turn)
    del row.conversation[:-_REMEMBERED]
    del row.ended[:-_ENDED_KEPT]


def waiting(row: SessionRow) -> list[Any]:
    """The events whose turns wait, or have begun after a wait and are not over yet."""
    parts = (item.partition(b"\0") for item in row.waiting)
    return [parse(topic.decode(), value) for topic, _, value in parts]


def drop_waiting(row: SessionRow, turn_id: str) -> None:
    if row.waiting:
        kept = [i for i, event in zip(row.waiting, waiting(row), strict=True) if event.header.turn_id != turn_id]
        del row.waiting[:]
        row.waiting.extend(kept)


def note_heard(row: SessionRow, heard: Heard) -> bool:
    """What was heard of a turn: applied where it has ended, kept until its end where it has not. There is no order
    across topics, so it may be told first. False: the row knows it already."""
    ended = _find_ended(row, heard.turn_id)
    if ended is not None:
        return _apply(row, ended, heard)
    if all(kept.turn_id != heard.turn_id for kept in row.heard):
        row.heard.append(heard)
        del row.heard[:-_HEARD_KEPT]
        return True
    return False


def _apply_kept(row: SessionRow, turn_id: str) -> None:
    for heard in row.heard:
        if heard.turn_id == turn_id:
            apply_heard(row, heard)
            row.heard.remove(heard)
            return


def apply_heard(row: SessionRow, heard: Heard) -> bool:
    """The conversation remembers only what was heard: whole clauses, and of the next one its first `chars`."""
    ended = _find_ended(row, heard.turn_id)
    return ended is not None and _apply(row, ended, heard)


def _find_ended(row: SessionRow, turn_id: str) -> EndedTurn | None:
    """Newest first: what is told to be heard is mostly the last one."""
    return next((t for t in reversed(row.ended) if t.turn_id == turn_id), None)


def _apply(row: SessionRow, ended: EndedTurn, heard: Heard) -> bool:
    if not ended.sounding:
        return False
    ended.sounding = False
    questions.heard(row, ended, heard)
    words = list(ended.clauses[: heard.clauses])
    if heard.chars and heard.clauses < len(ended.clauses):
        words.append(ended.clauses[heard.clauses][: heard.chars].rstrip())
    for exchange in row.conversation:
        if exchange.turn_id == heard.turn_id:
            exchange.reply_text = " ".join(words)
    del ended.clauses[:]
    ended.user_text = ""
    return True
