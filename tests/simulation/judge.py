"""The invariants of the turn contract, judged on what a run left behind."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from parlance.events import kind, to_bytes
from parlance.history import Past, Seen
from parlance.v1.reply_pb2 import Outcome, Settlement
from parlance.v1.state_pb2 import Exchange
from parlance.v1.turn_pb2 import Heard
from services.dialogue.handler import converse
from services.dialogue.replay import Record, run_again, unverifiable
from tests.simulation.edges import understood
from tests.simulation.evidence import Evidence, TurnFacts, gather
from tests.simulation.run import Run

# How long what had been on its way may still take, seconds.
_UNDER_WAY_S = 0.001
_ACTS = ("note", "list")

Check = Callable[[Evidence, TurnFacts], Iterator[str]]


@dataclass
class Verdict:
    problems: list[str] = field(default_factory=list)
    # How the turns ended; "not verifiable" and "run again" count beside the outcomes.
    counts: Counter[str] = field(default_factory=Counter)


async def judge(run: Run) -> Verdict:
    evidence, verdict = gather(run), Verdict(list(run.problems))
    if evidence.letters:
        verdict.problems.append(f"{evidence.letters} events were given up as dead letters")
    for turn in evidence.turns.values():
        found = list(one_end(evidence, turn))
        if not found:
            found = [problem for check in CHECKS for problem in check(evidence, turn)]
            verdict.counts[Outcome.Name(turn.visible()[-1].event.completed.outcome)] += 1
            found += [p async for p in _the_same_again(turn, verdict.counts)]
        verdict.problems += [f"turn {turn.turn_id[:8]} ({turn.text or 'unasked'}): {p}" for p in found]
    verdict.problems += [*silence_holds(run), *_open_rows(evidence)]
    return verdict


def one_end(evidence: Evidence, turn: TurnFacts) -> Iterator[str]:
    ids = {f.event.header.event_id for f in turn.of("completed")}
    if len(ids) != 1:
        yield f"{len(ids)} ends"


def clauses_are_whole(evidence: Evidence, turn: TurnFacts) -> Iterator[str]:
    seqs = [f.event.clause.seq for f in turn.visible()[:-1]]
    if seqs != list(range(len(seqs))):
        yield f"clauses lost or repeated: {seqs}"
    words = [f.event.clause.text.split() for f in turn.visible()[:-1] if turn.text.startswith("chat")]
    if len({w[1] for w in words if w[0] == "Answer"}) > 1:
        yield "clauses of two answers are mixed"
    if turn.visible()[-1].event.completed.outcome == Outcome.OUTCOME_ANSWERED and not seqs:
        yield "answered without words"


def the_end_tells_the_truth(evidence: Evidence, turn: TurnFacts) -> Iterator[str]:
    listed = {c.call_id: c.settlement for c in turn.visible()[-1].event.completed.calls}
    real = {f.event.effect.call_id: f.event.effect.settlement for f in turn.of("effect")}
    for call_id, settlement in real.items():
        told = listed.get(call_id, Settlement.SETTLEMENT_REFUSED)
        if told not in (settlement, Settlement.SETTLEMENT_UNSETTLED):
            yield f"the end says {Settlement.Name(told)} of what is {Settlement.Name(settlement)}"
    for call_id, told in listed.items():
        if call_id not in real and told != Settlement.SETTLEMENT_UNSETTLED:
            yield f"the end says {Settlement.Name(told)} of what actions knows nothing of"
    first, _, rest = turn.text.partition(" ")
    if first in _ACTS:
        count = evidence.things.get(turn.text if first == "note" else rest, 0)
        done = Settlement.SETTLEMENT_DONE in real.values()
        if count != int(done):
            yield f"done {count} times, {int(done)} on record"


def nothing_follows_an_interruption(evidence: Evidence, turn: TurnFacts) -> Iterator[str]:
    """Nothing more is said by a process that has been told of the interruption."""
    told = {
        life: at
        for at, life, record in reversed(evidence.run.world.handed)
        if record.value in _interruptions(evidence, turn)
    }
    for fact in turn.of("clause"):
        if fact.life in told and fact.asked_at > told[fact.life] + _UNDER_WAY_S:
            yield f"clause {fact.event.clause.seq} was said after the interruption"


def _interruptions(evidence: Evidence, turn: TurnFacts) -> set[bytes]:
    return {to_bytes(f.event) for f in turn.of("interrupted")}


def only_what_was_heard_is_remembered(evidence: Evidence, turn: TurnFacts) -> Iterator[str]:
    """Of a turn that two lives of a gateway spoke, either may have told what was heard."""
    row = evidence.rows.get(turn.facts[0].event.header.session_id)
    if row is not None:
        yield from _more_than_heard(evidence, turn, row.conversation)


def a_turn_begins_from_what_was_heard(evidence: Evidence, turn: TurnFacts) -> Iterator[str]:
    """What its header tells of an earlier turn is in the state that it begins with."""
    for fact in turn.of("snapshot")[:1]:
        earlier = evidence.turns.get(fact.event.header.heard.turn_id)
        if earlier is not None and earlier.of("completed"):
            yield from _more_than_heard(evidence, earlier, fact.event.snapshot.conversation)


def _more_than_heard(evidence: Evidence, turn: TurnFacts, conversation: Iterable[Exchange]) -> Iterator[str]:
    heard = evidence.heard.get(turn.turn_id, [])
    exchange = next((e for e in conversation if e.turn_id == turn.turn_id), None)
    if not heard or exchange is None:
        return
    end = turn.visible()[-1].event.completed
    texts = [*(f.event.clause.text for f in turn.visible()[:-1]), *([end.say] if end.say else [])]
    allowed = [_words(texts, h) for h in heard]
    if not any(_remembers(exchange.reply_text, words, end.inputs.unknown) for words in allowed):
        yield f"remembers {exchange.reply_text!r} although {' '.join(allowed[0])!r} was heard"


def _words(texts: list[str], heard: Heard) -> list[str]:
    words = texts[: heard.clauses]
    if heard.chars and heard.clauses < len(texts):
        words.append(texts[heard.clauses][: heard.chars].rstrip())
    return words


def _remembers(text: str, words: list[str], less: bool) -> bool:
    """`less`: where a process that spoke died, less than what was heard may be remembered, but nothing else."""
    return any(text == " ".join(words[:n]) for n in range(0 if less else len(words), len(words) + 1))


def a_question_is_answered_once(evidence: Evidence, turn: TurnFacts) -> Iterator[str]:
    """No more turns of a session hold a question than were asked."""
    session = turn.facts[0].event.header.session_id
    if not any(f.event.snapshot.HasField("question") for f in turn.of("snapshot")):
        return
    turns = [t for t in evidence.turns.values() if t.facts[0].event.header.session_id == session]
    held = sum(any(f.event.snapshot.HasField("question") for f in t.of("snapshot")) for t in turns)
    asked = sum(any(f.event.completed.HasField("question") for f in t.of("completed")) for t in turns)
    if held > asked:
        yield f"{held} turns answer {asked} questions"


CHECKS: tuple[Check, ...] = (
    clauses_are_whole,
    the_end_tells_the_truth,
    nothing_follows_an_interruption,
    only_what_was_heard_is_remembered,
    a_turn_begins_from_what_was_heard,
    a_question_is_answered_once,
)


def silence_holds(run: Run) -> Iterator[str]:
    """Nothing of a turn is sent to a device after its Silence."""
    for client in run.clients:
        for got in client.connections:
            silenced = set[str]()
            for message in got:
                name = message.WhichOneof("message") or ""
                turn_id = getattr(getattr(message, name), "turn_id", "")
                if name == "silence":
                    silenced.add(turn_id)
                elif name in ("clause", "audio", "spoken") and turn_id in silenced:
                    yield f"turn {turn_id[:8]}: {name} after its silence at {client.device_id}"


def _open_rows(evidence: Evidence) -> Iterator[str]:
    for session, row in evidence.rows.items():
        for turn in row.open:
            yield f"turn {turn.header.turn_id[:8]} of {session} is still open in the row"


async def _the_same_again(turn: TurnFacts, counts: Counter[str]):  # type: ignore[no-untyped-def]
    """The turn run again from its record: the same bytes."""
    record = Record.of(_past(turn))
    if record is None:
        return
    counts["turns"] += 1
    if unverifiable(record):
        counts["not verifiable"] += 1
        return
    try:
        made = await run_again(record, converse, understood)
    except Exception as exc:
        yield f"cannot be run again: {exc!r}"
        return
    for_real = [f.event for f in turn.of("recognized")[:1]] + [f.event for f in turn.visible()]
    again, real = [to_bytes(e) for e in made], [to_bytes(e) for e in for_real]
    if again != real:
        kinds = [kind(e) for e in made], [kind(e) for e in for_real]
        at = next((n for n, (a, b) in enumerate(zip(again, real, strict=False)) if a != b), min(len(again), len(real)))
        yield f"not the same when run again, from event {at} on: {kinds}"


def _past(turn: TurnFacts) -> Past:
    past = Past(turn.facts[0].event.header)
    for fact in turn.facts:
        if fact.event.header.event_id not in past.ids:
            past.ids.add(fact.event.header.event_id)
            past.seen.append(Seen(fact.topic, fact.event, fact.ts_us, fact.ts_us))
    return past
