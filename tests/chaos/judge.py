"""The rules of the turn contract, held against what a run left behind. Pure: each check yields what is wrong."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from parlance import ids
from parlance.events import to_bytes
from parlance.v1.reply_pb2 import Outcome, Reason, Settlement
from tests.chaos.evidence import Evidence
from tests.chaos.poison import Poison
from tests.chaos.stack import TONE_MS_PER_CHAR
from tests.chaos.talkers import Asked, Heard, Talker
from tests.simulation.evidence import TurnFacts

DONE = Settlement.SETTLEMENT_DONE
# What a tone's milliseconds may differ by, where a conversation went on elsewhere.
_RESUMED_MS = 60.0
_THING = re.compile(r"\b(?:item|thing)\d+\b")
_ACT = re.compile(rf"{_THING.pattern}|\bset a timer\b")

Check = Callable[[Evidence, TurnFacts], Iterator[str]]


def judge(evidence: Evidence) -> list[str]:
    """Of all turns, and of what belongs to none."""
    found = []
    for turn in evidence.opened().values():
        wrong = [problem for check in _TURN_CHECKS for problem in check(evidence, turn)]
        found += [f"turn {turn.turn_id[:8]} ({turn.text or 'unasked'}): {problem}" for problem in wrong]
    found += [f"turn {turn_id[:8]} is still open in dialogue's rows" for turn_id in evidence.open_turns]
    return [*found, *rows_and_events_agree(evidence), *timers_go_off_once(evidence), *things_exist_once(evidence)]


def one_end(_evidence: Evidence, turn: TurnFacts) -> Iterator[str]:
    """One id; published twice it says twice the same."""
    ends = turn.of("completed")
    if len({f.event.header.event_id for f in ends}) != 1:
        yield f"{len({f.event.header.event_id for f in ends})} ends"
    elif len({to_bytes(f.event) for f in ends}) != 1:
        yield "its end was published twice and says two things"


def clauses_are_whole(_evidence: Evidence, turn: TurnFacts) -> Iterator[str]:
    visible = turn.visible()
    seqs = [f.event.clause.seq for f in visible if f.event.HasField("clause")]
    if seqs != list(range(len(seqs))):
        yield f"clauses lost or repeated: {seqs}"
    if visible and visible[-1].event.completed.outcome == Outcome.OUTCOME_ANSWERED and not seqs:
        yield "answered without words"


def the_end_is_true(evidence: Evidence, turn: TurnFacts) -> Iterator[str]:
    """What it says of each call is what actions has on record; what was done and is not told would be a lie too."""
    ends = turn.of("completed")
    listed = {c.call_id: c.settlement for c in ends[0].event.completed.calls} if ends else {}
    real = {f.event.effect.call_id: f.event.effect.settlement for f in turn.of("effect")}
    for call_id, told in listed.items():
        row = evidence.calls.get(call_id)
        if told == Settlement.SETTLEMENT_UNSETTLED:
            continue
        if row is None:
            yield f"the end says {_name(told)} of a call that actions does not know"
        elif row.settlement != told:
            yield f"the end says {_name(told)} of what is {_name(row.settlement)}"
    for call_id, settlement in real.items():
        if settlement == DONE and call_id not in listed:
            yield "something was done that the end does not tell"


def effects_once(_evidence: Evidence, turn: TurnFacts) -> Iterator[str]:
    """One call of a turn acts, and its event has one id."""
    acted = {f.event.effect.call_id for f in turn.of("effect") if f.event.effect.settlement == DONE}
    if len(acted) > 1:
        yield f"{len(acted)} calls acted"
    events = defaultdict(set)
    for fact in turn.of("effect"):
        events[fact.event.effect.call_id].add(fact.event.header.event_id)
    for found in events.values():
        if len(found) > 1:
            yield f"a call has {len(found)} outcomes on effect.v1"


def an_answered_act_is_done(_evidence: Evidence, turn: TurnFacts) -> Iterator[str]:
    """Whoever asked for an act and was answered has it; an answer that is a question back says so."""
    ends = [f.event.completed for f in turn.of("completed")]
    if not ends or not _ACT.search(turn.text) or ends[0].reason == Reason.REASON_ASKED:
        return
    if ends[0].outcome == Outcome.OUTCOME_ANSWERED and all(c.settlement != DONE for c in ends[0].calls):
        yield "answered, and what was asked for was not done"


_TURN_CHECKS: tuple[Check, ...] = (
    one_end,
    clauses_are_whole,
    the_end_is_true,
    effects_once,
    an_answered_act_is_done,
)


def rows_and_events_agree(evidence: Evidence) -> Iterator[str]:
    """Every row's event is on effect.v1, and every event has its row."""
    told = {f.event.effect.call_id: f.event.effect.settlement for t in evidence.turns.values() for f in t.of("effect")}
    for call_id, call in evidence.calls.items():
        if told.get(call_id) != call.settlement:
            yield f"call {call_id[:8]} is {_name(call.settlement)}, and {_name(told.get(call_id, 0))} on effect.v1"
    for call_id in told.keys() - evidence.calls.keys():
        yield f"call {call_id[:8]} is on effect.v1 and has no row"


def timers_go_off_once(evidence: Evidence) -> Iterator[str]:
    """One that was set is pending or has gone off, once."""
    fired: dict[str, set[str]] = defaultdict(set)
    for turn in evidence.turns.values():
        for fact in turn.of("fired"):
            fired[fact.event.fired.timer_id].add(fact.event.header.event_id)
    for call in evidence.calls.values():
        if call.action == "timer.set" and call.settlement == DONE:
            timer = ids.derived(call.call_id, "timer", 0)
            times = evidence.timers[timer] + len(fired.pop(timer, ()))
            if times != 1:
                yield f"timer {timer[:8]} is there or went off {times} times"
    for timer in fired:
        yield f"timer {timer[:8]} went off and was never set"


def things_exist_once(evidence: Evidence) -> Iterator[str]:
    """A list item or a note exists once where its turn did it, and not at all where it did not."""
    done = Counter[str]()
    for turn in evidence.opened().values():
        if found := _THING.search(turn.text):
            calls = {f.event.effect.call_id for f in turn.of("effect") if f.event.effect.settlement == DONE}
            done[found[0]] += len(calls)
    for thing in done.keys() | evidence.items.keys():
        if done[thing] != evidence.items[thing] or evidence.items[thing] > 1:
            yield f"{thing} was done {done[thing]} times and is there {evidence.items[thing]} times"


def what_was_told_is_true(evidence: Evidence, talkers: list[Talker]) -> Iterator[str]:
    """What devices were told: what was accepted is in the log, the outcome is the log's, nothing is heard twice. Of two
    gateways one is there at any time, so no conversation is lost."""
    opened = evidence.opened()
    for talker in talkers:
        yield from (f"the conversation of {talker.session} was lost: {why}" for why in talker.lost)
        for asked in talker.asked:
            yield from _told(asked, opened)
        for turn_id, heard in talker.heard.items():
            yield from (f"turn {turn_id[:8]}: {problem}" for problem in _heard(heard, talker.voiced))
    told = Counter(i for t in talkers for i, heard in t.heard.items() if heard.clauses)
    yield from (f"turn {turn_id[:8]} was told at {n} devices" for turn_id, n in told.items() if n > 1)


def _told(asked: Asked, opened: dict[str, TurnFacts]) -> Iterator[str]:
    name = f"'{asked.text}' of {asked.session} ({asked.turn_id[:8]})"
    turn = opened.get(asked.turn_id)
    if asked.accepted and turn is None:
        yield f"{name} was accepted and is not in the log"
    if asked.outcome and turn is not None and turn.of("completed"):
        real = Outcome.Name(turn.of("completed")[0].event.completed.outcome).removeprefix("OUTCOME_").lower()
        if real != asked.outcome:
            yield f"{name}: its device was told {asked.outcome}, and it is {real}"
    if not asked.over:
        yield f"{name}: {'; '.join(asked.problems) or 'no end was told'}"


def _heard(heard: Heard, voiced: bool) -> Iterator[str]:
    repeated = [seq for seq, times in heard.clauses.items() if times > 1]
    if repeated:
        yield f"clauses {repeated} were shown twice"
    for seq, text in heard.texts.items() if voiced else ():
        want, got = len(text) * TONE_MS_PER_CHAR, heard.ms.get(seq, 0.0)
        if got > want + _RESUMED_MS:
            yield f"clause {seq} sounded {got:.0f} ms instead of {want:.0f}"


def letters_are_explained(evidence: Evidence, poison: list[Poison]) -> Iterator[str]:
    """Each dead letter is of something that was put there to fail, says why, and nothing of that is missing."""
    known = {p.value: p for p in poison}
    for name, letter in evidence.letters.items():
        if letter.value not in known:
            yield f"dead letter {name} ({letter.topic}) is of an event that should not fail: {letter.error.message}"
        if not letter.error.message or not letter.attempts:
            yield f"dead letter {name} does not say why"
    there = {(letter.stage, letter.value) for letter in evidence.letters.values()}
    for p in poison:
        yield from (f"poison on {p.topic} has no dead letter of {s}" for s in p.stages if (s, p.value) not in there)


def _name(settlement: int) -> str:
    return Settlement.Name(settlement).removeprefix("SETTLEMENT_").lower()  # type: ignore[arg-type]
