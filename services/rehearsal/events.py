"""Questions of a replay file as the records that a gateway would have written of them, under a run of their own.

All but their moment is made beforehand: a message that is parsed is the sum of its parts, so the header's times are
appended to the bytes when they are sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from parlance import ids
from parlance.bus import Out
from parlance.events import wrap
from parlance.outgoing import record_of
from parlance.privacy import Sealing
from parlance.v1.replay_pb2 import ReplayTurn
from parlance.v1.session_pb2 import SessionEvent, TurnAccepted
from parlance.v1.turn_pb2 import Header, Label, Modality

_ANSWER_US = 30_000_000
# Field 1 of every event, its header: tag and wire type.
_HEADER_TAG = b"\x0a"


@dataclass(frozen=True, slots=True)
class Whose:
    """Who asks, where, and in which run; `slot`: the partition of reply.v1 to answer on."""

    run: str
    user: str
    time_zone: str
    slot: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """`due_s`: seconds after the start. `out` has no times yet."""

    n: int
    due_s: float
    turn_id: str
    out: Out

    def at(self, now_us: int) -> Out:
        """The record, asked at this moment."""
        times = Header(accepted_at_us=now_us, asked_at_us=now_us, deadline_us=now_us + _ANSWER_US).SerializeToString()
        out = self.out
        value = out.value + _HEADER_TAG + bytes((len(times),)) + times
        return Out(out.topic, out.partition, out.key, value, (("began_us", b"%d" % now_us),))


def prepared(turns: Sequence[ReplayTurn], whose: Whose, speed: float | None, sealing: Sealing) -> list[Prepared]:
    """In order. `speed` None: all of them at once."""
    first_us = turns[0].at_us if turns else 0
    sessions = {name: ids.derived(whose.run, name) for name in {turn.session for turn in turns}}
    made = []
    for n, turn in enumerate(turns):
        session = sessions[turn.session]
        turn_id = ids.derived(whose.run, session, f"{n}/0")
        due_s = (turn.at_us - first_us) / 1e6 / speed if speed else 0.0
        made.append(Prepared(n, due_s, turn_id, _record(turn, session, turn_id, whose, sealing)))
    return made


def _record(turn: ReplayTurn, session: str, turn_id: str, whose: Whose, sealing: Sealing) -> Out:
    header = Header(
        event_id=ids.event_id(whose.run, turn_id, "TurnAccepted"),
        run=whose.run,
        turn_id=turn_id,
        session_id=session,
        user_id=whose.user,
        device_id=session,
        reply_partition=whose.slot,
        label=Label.LABEL_PERSONAL,
        time_zone=whose.time_zone,
        modality=Modality.MODALITY_TYPED,
        as_of_us=turn.as_of_us,
        person=turn.person,
    )
    return record_of(wrap(SessionEvent, header, TurnAccepted(text=turn.text)), sealing.seal, 1)
