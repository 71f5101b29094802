"""What the log and the devices hold of a turn that has no end, or whose device was not told it: for whoever looks for
the cause."""

from collections.abc import Iterable, Iterator, Sequence

from parlance.events import kind
from tests.chaos.evidence import Evidence
from tests.chaos.talkers import Asked, Talker
from tests.simulation.evidence import Fact

# A device's comings and goings this long before and after the question belong to its story.
_NEAR_US = 110_000_000
_MOVES = ("attached", "detached", "started")


def stories(found: Evidence, talkers: Iterable[Talker]) -> list[str]:
    """A line for each fact, in the order of the log's clock; seconds count from the question."""
    made: list[str] = []
    for talker in talkers:
        for asked in talker.asked:
            if not asked.over:
                told = f"{asked.session} was not told: {_asked(talker, asked)}"
                made += [told, *_facts(found, asked.ids, asked.session, asked.sent_us)]
    for turn_id in found.unended():
        first = min(found.turns[turn_id].facts, key=lambda f: f.ts_us)
        session = first.event.header.session_id
        made += [f"a turn of {session} has no end", *_facts(found, [turn_id], session, first.ts_us)]
    return made


def _asked(talker: Talker, asked: Asked) -> str:
    heard = [talker.heard[i] for i in asked.ids if i in talker.heard]
    shown = sum((h.clauses.total() for h in heard), 0)
    ms = sum(sum(h.ms.values()) for h in heard)
    how = "spoken" if asked.spoken else "typed"
    return (
        f"{how} at {asked.sent_us} us as {', '.join(i[:8] for i in asked.ids) or 'no turn'}, "
        f"accepted: {asked.accepted}, outcome: {asked.outcome or 'none'}, clauses: {shown}, sound: {ms:.0f} ms"
    )


def _facts(found: Evidence, ids: Sequence[str], session: str, since_us: int) -> Iterator[str]:
    facts = [fact for i in ids if i in found.turns for fact in found.turns[i].facts]
    facts += [f for turn in found.turns.values() for f in turn.facts if _moves(f, session, since_us)]
    for fact in sorted(facts, key=lambda f: f.ts_us):
        header = fact.event.header
        yield (
            f"  {(fact.ts_us - since_us) / 1e6:8.3f} s  {fact.topic:11} {kind(fact.event):12} "
            f"turn {header.turn_id[:8] or '-':8} device {header.device_id[:8] or '-':8} reply {header.reply_partition}"
        )


def _moves(fact: Fact, session: str, since_us: int) -> bool:
    """Of this session's devices, or a gateway that starts."""
    mine = fact.event.header.session_id in ("", session)
    return kind(fact.event) in _MOVES and mine and abs(fact.ts_us - since_us) < _NEAR_US
