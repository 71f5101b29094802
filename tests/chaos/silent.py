"""What the log and the devices hold of a turn whose device was not told its end: for whoever looks for the cause."""

from collections.abc import Iterable, Iterator

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
                made += [f"{asked.session} was not told: {_asked(talker, asked)}", *_facts(found, asked)]
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


def _facts(found: Evidence, asked: Asked) -> Iterator[str]:
    facts = [fact for i in asked.ids if i in found.turns for fact in found.turns[i].facts]
    facts += [fact for turn in found.turns.values() for fact in turn.facts if _moves(fact, asked)]
    for fact in sorted(facts, key=lambda f: f.ts_us):
        header = fact.event.header
        after_s = (fact.ts_us - asked.sent_us) / 1e6
        yield (
            f"  {after_s:8.3f} s  {fact.topic:11} {kind(fact.event):12} turn {header.turn_id[:8] or '-':8} "
            f"device {header.device_id[:8] or '-':8} reply {header.reply_partition}"
        )


def _moves(fact: Fact, asked: Asked) -> bool:
    """Of this device's session, or a gateway that starts."""
    name = kind(fact.event)
    mine = fact.event.header.session_id in ("", asked.session)
    return name in _MOVES and mine and abs(fact.ts_us - asked.sent_us) < _NEAR_US
