"""History: turns by id, also those that have long left its memory; what is told of a turn."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from parlance import clock, history, history_search
from parlance.bus_journal import JournalBus
from parlance.errors import InvalidRequest
from parlance.events import EVENT_CLASSES, topic_of, wrap
from parlance.history import History
from parlance.outgoing import record_of
from parlance.privacy import Keys, Sealing
from parlance.v1.intent_pb2 import IntentEvent, IntentRecognized
from parlance.v1.llm_pb2 import EgressRecorded, LlmEvent, UsageRecorded
from parlance.v1.reply_pb2 import Outcome, ReplyClause, ReplyEvent, TurnCompleted
from parlance.v1.session_pb2 import ReplyHeard, SessionEvent, TurnAccepted
from parlance.v1.speech_pb2 import FinalTranscript, SpeechEvent
from parlance.v1.turn_pb2 import Header, Heard, Tier

SECOND = 1_000_000
BEGAN = 1_800_000_000 * SECOND


def turn_id(n: int, first: str = "") -> str:
    return f"{first or f'{n:08x}'}-0000-4000-8000-{n:012d}"


@dataclass
class Scene:
    """A journal, and a clock that the test sets."""

    bus: JournalBus
    sealing: Sealing
    now: list[int] = field(default_factory=lambda: [BEGAN])

    async def publish(self, header: Header, cls: type, body: object, *, after_s: float = 0.01) -> None:
        self.now[0] += int(after_s * SECOND)
        event = wrap(cls, header, body)  # type: ignore[arg-type]
        event.header.event_id = f"{header.run}{header.turn_id}{type(body).__name__}"
        await self.bus.publish(record_of(event, self.sealing.seal))

    async def turn(self, n: int, *, first: str = "", run: str = "", session: str = "s") -> str:
        """A typed turn that was answered, and heard two minutes later."""
        self.now[0] += SECOND
        at = self.now[0]
        header = Header(turn_id=turn_id(n, first), session_id=f"{session}{n % 3}", user_id="u", run=run)
        header.accepted_at_us = header.asked_at_us = at
        header.heard.turn_id = turn_id(n - 1)
        await self.publish(header, SessionEvent, TurnAccepted(text=f"question {n}"))
        await self.publish(header, IntentEvent, IntentRecognized(intent="chat.open"))
        await self.publish(header, ReplyEvent, ReplyClause(text=f"Answer {n}."))
        await self.publish(header, ReplyEvent, TurnCompleted(outcome=Outcome.OUTCOME_ANSWERED))
        await self.publish(header, SessionEvent, ReplyHeard(heard=Heard(turn_id=header.turn_id, ms=900)), after_s=120)
        return header.turn_id

    @property
    def history(self) -> History:
        """One that has read nothing yet."""
        return History(self.bus, self.sealing)


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    """A history that keeps two turns in memory and reads the log in small pieces."""
    bus = JournalBus(tmp_path / "journal.db", inline=True)
    made = Scene(bus, Sealing(Keys(tmp_path / "keys.json")))
    monkeypatch.setattr(clock, "now_us", lambda: made.now[0])
    monkeypatch.setattr(history, "_TURNS_KEPT", 2)
    monkeypatch.setattr(history, "_LOOK_BACK", 10)
    monkeypatch.setattr(history_search, "_BATCH", 3)
    bus.declare([topic_of(cls) for cls in EVENT_CLASSES])
    await bus.start()
    yield made
    await bus.stop()


async def test_a_turn_is_found_by_id_and_by_prefix_however_old_it_is(scene: Scene) -> None:
    names = [await scene.turn(n) for n in range(40)]
    for name in (names[0], names[20], names[39]):
        for asked in (name, name[:8], name.upper(), f" {name} "):
            told = await scene.history.turn(asked)
            assert (told.summary.turn_id, told.summary.outcome) == (name, Outcome.OUTCOME_ANSWERED)
            assert told.summary.text == f"question {int(name[-12:])}" and told.summary.reply
            events = [step.event for step in told.steps]
            assert events == ["TurnAccepted", "IntentRecognized", "ReplyClause", "TurnCompleted", "ReplyHeard"]


async def test_an_old_turn_is_read_alone_and_not_kept(scene: Scene) -> None:
    names = [await scene.turn(n) for n in range(40)]
    past = scene.history
    found = await past.past(names[0])
    assert {s.event.header.turn_id for s in found.seen} == {names[0]}
    assert [t.turn_id for t in await past.newest(500)] == [names[39], names[38]]


async def test_a_prefix_of_several_turns_names_them_wherever_they_stand(scene: Scene) -> None:
    old, *_, new = [await scene.turn(n, first="abcd0000" if n in (0, 29) else "") for n in range(30)]
    with pytest.raises(InvalidRequest, match="names several turns") as told:
        await scene.history.past("abcd")
    assert {old[:12], new[:12]} <= set(str(told.value).replace("(", " ").replace(",", " ").split())
    assert (await scene.history.past(old)).header.turn_id == old
    assert (await scene.history.past(new[:-1])).header.turn_id == new


async def test_a_run_that_wrote_more_than_history_looks_back_hides_no_live_turn(scene: Scene) -> None:
    live = [await scene.turn(n) for n in range(2)]
    past = scene.history
    for n in range(2, 40):
        await scene.turn(n, run="load-1")
    for history_ in (past, scene.history):
        assert [t.turn_id for t in await history_.newest(500)] == [live[1], live[0]]
    with pytest.raises(InvalidRequest, match="names no turn"):
        await past.past(turn_id(20))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("", "give 4 or more characters"),
        ("000", "give 4 or more characters"),
        ("cafe", "names no turn of the last 30 days"),
    ],
)
async def test_what_names_no_turn_is_told_so(scene: Scene, asked: str, said: str) -> None:
    await scene.turn(1)
    with pytest.raises(InvalidRequest, match=said):
        await scene.history.past(asked)


async def test_a_turn_that_retention_has_deleted_is_gone(scene: Scene) -> None:
    old = await scene.turn(1)
    scene.now[0] += 31 * 86_400 * SECOND
    new = [await scene.turn(n) for n in range(2, 8)]
    await scene.bus.upkeep()
    with pytest.raises(InvalidRequest, match="names no turn of the last 30 days"):
        await scene.history.past(old)
    assert (await scene.history.past(new[0])).header.turn_id == new[0]


async def test_a_turn_that_was_run_again_is_no_second_one(scene: Scene) -> None:
    old = await scene.turn(0)
    for n in range(1, 10):
        await scene.turn(n)
    await scene.turn(0, run="load")
    await scene.turn(77, first=old[:8], run="load")
    assert len((await scene.history.past(old[:8])).seen) == 5
    with pytest.raises(InvalidRequest, match="names no turn"):
        await scene.history.past(turn_id(77, old[:8]))


async def test_what_was_appended_lazily_before_is_told(scene: Scene) -> None:
    header = Header(turn_id=turn_id(1), session_id="s", user_id="u", accepted_at_us=BEGAN, event_id="e1")
    event = wrap(SessionEvent, header, TurnAccepted(text="why"))
    scene.bus.append([record_of(event, scene.sealing.seal)], lazy=True)
    assert [t.text for t in await scene.history.newest(1)] == ["why"]


async def test_a_spoken_turn_tells_when_it_was_accepted_and_when_it_was_asked(scene: Scene) -> None:
    header = Header(turn_id=turn_id(1), session_id="s", user_id="u", accepted_at_us=BEGAN)
    await scene.publish(header, SessionEvent, TurnAccepted())
    past = scene.history
    assert [(t.accepted_at_us, t.asked_at_us) for t in await past.newest(1)] == [(BEGAN, 0)]
    header.asked_at_us = BEGAN + 2 * SECOND
    await scene.publish(header, SpeechEvent, FinalTranscript(text="what is it"), after_s=2.1)
    assert [(t.accepted_at_us, t.asked_at_us) for t in await past.newest(1)] == [(BEGAN, BEGAN + 2 * SECOND)]


@pytest.mark.parametrize(
    ("destination", "tier", "left_to"),
    [
        ("api.example.org", 0, "api.example.org"),
        ("192.168.1.5:8000", 0, "192.168.1.5:8000"),
        ("192.168.1.5:8000", Tier.TIER_DEVICE, "192.168.1.5:8000"),
        ("localhost.example.org:80", 0, "localhost.example.org:80"),
        ("127.0.0.1:8000", 0, ""),
        ("127.0.0.1:8000", Tier.TIER_DEVICE, ""),
        ("127.8.0.1:8000", 0, ""),
        ("[::1]:8000", 0, ""),
        ("localhost:11434", 0, ""),
        # A proxy here, before a model that is elsewhere.
        ("127.0.0.1:8000", Tier.TIER_HOUSE, "127.0.0.1:8000"),
        ("localhost:11434", Tier.TIER_PARTNER, "localhost:11434"),
    ],
)
async def test_a_step_that_sent_words_away_says_where_to(
    scene: Scene, destination: str, tier: Tier.ValueType, left_to: str
) -> None:
    header = Header(turn_id=turn_id(1), session_id="s", user_id="u", accepted_at_us=BEGAN)
    await scene.publish(header, SessionEvent, TurnAccepted(text="why"))
    await scene.publish(header, LlmEvent, EgressRecorded(destination=destination, data_classes=["question"], tier=tier))
    steps = (await scene.history.turn(header.turn_id)).steps
    assert [(s.event, s.left_to) for s in steps] == [("TurnAccepted", ""), ("EgressRecorded", left_to)]
    assert steps[1].note == ("question" if left_to else f"question to {destination} on this device")


@pytest.mark.parametrize(("cost", "said"), [(4_200_000, "100 + 7 tokens, $0.0042"), (0, "100 + 7 tokens")])
async def test_a_step_that_cost_something_says_how_much(scene: Scene, cost: int, said: str) -> None:
    header = Header(turn_id=turn_id(1), session_id="s", user_id="u", accepted_at_us=BEGAN)
    usage = UsageRecorded(call_id="c", input_tokens=100, output_tokens=7, cost_nanos=cost)
    await scene.publish(header, LlmEvent, usage)
    assert [s.note for s in (await scene.history.turn(header.turn_id)).steps] == [said]
