"""Barge-in over gRPC: a long reply is cut, nothing of it follows, and only what was heard is remembered."""

import asyncio
import random
from dataclasses import dataclass
from typing import Any

import pytest
import soundfile

from parlance.audio import resample
from parlance.v1.gateway_service_pb2 import Hello
from parlance.v1.reply_pb2 import Outcome, Reason
from tests.e2e.conftest import ROOT, Platform
from tests.e2e.conversation import Conversation, conversation, route

STREAMS, EACH = 4, 50
SPEECH = ROOT / "examples/audio/what-is-seven-times-twelve.wav"
_STORY = "tell me a story about the sea, number {n}"


@pytest.fixture(scope="module", autouse=True)
def _scripted(platform: Platform) -> None:
    """A story that takes a second to write, a voice that makes seconds of sound in a millisecond."""
    asyncio.run(_routes(platform.grpc_address))


async def _routes(address: str) -> None:
    await route(address, "llm", "scripted:memory", chunk_delay_s="0.002")
    await route(address, "tts", "tone:")


def speech() -> bytes:
    """A spoken question and the silence after it, 16 kHz."""
    sound, rate = soundfile.read(SPEECH, dtype="int16")
    return bytes(resample(sound, rate, 16000).tobytes() + bytes(2 * 16000))


@dataclass
class Sounded:
    """What a device that stopped its loudspeaker `ms` after it began has let be heard."""

    whole: list[str]
    cut: str
    share: float

    @classmethod
    def of(cls, talk: Conversation, turn_id: str, ms: int) -> "Sounded":
        clauses = {c.seq: c.text for c in talk.of("clause", turn_id)}
        lengths = dict.fromkeys(clauses, 0)
        for audio in talk.of("audio", turn_id):
            lengths[audio.seq] += len(audio.pcm) * 1000 // (2 * audio.sample_rate_hz)
        whole: list[str] = []
        for seq, text in sorted(clauses.items()):
            if ms < lengths[seq] or seq == max(lengths):
                return cls(whole, text, min(1.0, ms / (60 * len(text))))
            whole.append(text)
            ms -= lengths[seq]
        return cls(whole, "", 0)

    def check(self, remembered: str) -> None:
        """All that sounded whole, and of the next clause no more than its share."""
        before = " ".join(self.whole)
        assert remembered.startswith(before), (self, remembered)
        rest = remembered[len(before) :].strip()
        assert self.cut.startswith(rest) and len(rest) <= len(self.cut) * self.share + 1, (self, remembered)


async def test_two_hundred_interruptions_cut_at_once_and_for_good(platform: Platform) -> None:
    async with asyncio.TaskGroup() as group:
        streams = [group.create_task(_interrupted_often(platform.grpc_address, seed)) for seed in range(STREAMS)]
    outcomes = [outcome for stream in streams for outcome in stream.result()]
    assert len(outcomes) == STREAMS * EACH
    # Both kinds happened: turns that were still being written, and answers that only still sounded.
    assert outcomes.count(Outcome.OUTCOME_CANCELLED) > 100 and outcomes.count(Outcome.OUTCOME_ANSWERED) > 5


async def _interrupted_often(address: str, seed: int) -> list[Any]:
    """One device in a session of its own: `EACH` stories, each cut by the button or by the next one."""
    dice = random.Random(seed)
    async with conversation(address, Hello(session_id=f"session-{seed}")) as talk:
        turns = []
        for n in range(EACH):
            turns.append(turn := await talk.ask(_STORY.format(n=n)))
            await _some_of_it_sounded(talk, turn, dice)
            if dice.random() < 0.5:
                talk.interrupt()
                await talk.until(lambda turn=turn: talk.of("silence", turn))
        talk.interrupt()
        await talk.until(lambda: all(talk.of("ended", t) for t in turns) and talk.of("silence", turns[-1]))
        assert await talk.answered("what is two plus two") == "2 plus 2 is 4."
        return [_check_cut(talk, turn) for turn in turns]


async def _some_of_it_sounded(talk: Conversation, turn: str, dice: random.Random) -> None:
    """Until some random point: right away, within the reply, or when all of it has been written."""
    point = dice.random()
    if point < 0.1:
        return
    if point > 0.9:
        await talk.until(lambda: talk.of("ended", turn))
    pieces = dice.randrange(1, 30)
    await talk.until(lambda: len(talk.of("audio", turn)) >= pieces)


def _check_cut(talk: Conversation, turn: str) -> Any:
    """Its outcome. Nothing of it came after its silence but the end, and that once."""
    mine = [kind for kind, message in talk.received if getattr(message, "turn_id", "") == turn]
    assert mine.count("silence") == 1 and mine.count("ended") == 1, mine
    after = mine[mine.index("silence") + 1 :]
    assert after in ([], ["ended"]), mine
    (ended,) = talk.of("ended", turn)
    cancelled = (Outcome.OUTCOME_CANCELLED, Reason.REASON_INTERRUPTED)
    # Answered after its silence: the answer was complete, and only that news was still on its way.
    assert (ended.outcome, ended.reason) in (cancelled, (Outcome.OUTCOME_ANSWERED, Reason.REASON_UNSPECIFIED))
    return ended.outcome


async def test_the_record_agrees_with_what_the_device_was_told(platform: Platform) -> None:
    async with conversation(platform.grpc_address, Hello(session_id="session-0")) as talk:
        turn = await talk.ask(_STORY.format(n="x"))
        await talk.until(lambda: talk.of("audio", turn))
        talk.interrupt()
        (ended,) = await talk.until(lambda: talk.of("ended", turn))
        told = await talk.told(turn)
    assert told.summary.outcome == ended.outcome == Outcome.OUTCOME_CANCELLED
    assert [s.event for s in told.steps].count("TurnCompleted") == 1


@pytest.mark.parametrize("by", ["button", "text"])
async def test_the_conversation_remembers_only_what_was_heard(platform: Platform, by: str) -> None:
    dice = random.Random(by)
    async with conversation(platform.grpc_address, Hello(session_id=f"memory-{by}")) as talk:
        for n in range(12):
            turn = await talk.ask(_STORY.format(n=n))
            await talk.until(lambda turn=turn: len(talk.of("audio", turn)) >= 100)
            ms = dice.randrange(0, 9000)
            talk.played(turn, ms)
            sounded = Sounded.of(talk, turn, ms)
            if by == "button":
                talk.interrupt()
            answer = await talk.answered("what was that, my dear friend")
            assert answer.startswith("I said:")
            sounded.check(answer.removeprefix("I said:").strip())


async def test_of_a_clause_that_is_still_being_sent_no_more_is_remembered_than_sounded(platform: Platform) -> None:
    """A device that reads as it plays has been sent a part of a clause that is 40 s long, and has played 5 s of it."""
    await route(platform.grpc_address, "tts", "tone:", ms_per_char="600")
    async with conversation(platform.grpc_address, Hello(session_id="slow-reader")) as talk:
        turn = await talk.ask(_STORY.format(n=1))
        await talk.until(lambda: any(a.seq == 2 for a in talk.of("audio", turn)))
        talk.flows.clear()
        clauses = [c.text for c in talk.of("clause", turn)]
        talk.played(turn, 600 * len("".join(clauses[:2])) + 5000)
        talk.interrupt()
        talk.flows.set()
        await talk.until(lambda: talk.of("silence", turn))
        await route(platform.grpc_address, "tts", "tone:")
        answer = await talk.answered("what was that, my dear friend")
    assert answer == f"I said: {clauses[0]} {clauses[1]} This is", "5 s are 8 characters"


async def test_a_voice_cuts_a_reply_and_is_answered(platform: Platform) -> None:
    sound = speech()
    hello = Hello(session_id="voice", sample_rate_hz=16000)
    async with conversation(platform.grpc_address, hello) as talk:
        for n in range(4):
            turn = await talk.ask(_STORY.format(n=n))
            await talk.until(lambda turn=turn: len(talk.of("audio", turn)) >= 5)
            talk.audio(sound)
            spoken = await talk.next_turn()
            await talk.until(lambda spoken=spoken: talk.of("clause", spoken))
            _check_cut(talk, turn)
            assert "84" in talk.of("clause", spoken)[0].text
            talk.interrupt()
            await talk.until(lambda spoken=spoken: talk.of("silence", spoken))


async def test_after_a_real_voice_is_cut_nothing_of_it_follows(platform: Platform) -> None:
    await route(platform.grpc_address, "tts", "hibari:")
    async with conversation(platform.grpc_address, Hello(session_id="hibari")) as talk:
        turns = []
        for n in range(8):
            turns.append(turn := await talk.ask(_STORY.format(n=n)))
            await talk.until(lambda turn=turn, n=n: len(talk.of("audio", turn)) > 4 * n)
            talk.interrupt()
            await talk.until(lambda turn=turn: talk.of("ended", turn) and talk.of("silence", turn))
        assert await talk.answered("what is two plus two") == "2 plus 2 is 4."
    for turn in turns:
        _check_cut(talk, turn)
