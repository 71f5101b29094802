"""What a dying replica of speech or tts costs: nothing that a user would hear."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest

from parlance.errors import Unreachable
from parlance.rpc import Call
from parlance.rpc_direct import DirectCarrier
from parlance.v1.gateway_service_pb2 import AudioEnd, ConverseRequest, Hello, Listening
from parlance.v1.reply_pb2 import ReplyClause, ReplyEvent, TurnCompleted
from parlance.v1.speech_service_pb2 import HearRequest, HearResponse, SpeechEnded, SpeechFinal, SpeechStarted
from parlance.v1.tts_service_pb2 import SpeakBegan, SpeakRequest, SpeakResponse
from parlance.v1.turn_pb2 import Header
from services.gateway import hearing
from services.gateway.acceptances import Acceptances
from services.gateway.hearing import Hearing
from services.gateway.kept_sound import KeptSound
from services.gateway.outbox import Outbox
from services.gateway.reply import Reply


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "_AGAIN_S", 0.0)


class Speech:
    """Dies in its first stream, once it has the turn's header; the second one hears to the end."""

    def __init__(self) -> None:
        self.streams: list[list[HearRequest]] = []

    async def hear(self, requests: AsyncIterator[HearRequest], call: Call) -> AsyncGenerator[HearResponse, None]:
        got: list[HearRequest] = []
        self.streams.append(got)
        first = len(self.streams) == 1
        begun = False
        async for request in requests:
            got.append(request)
            kind = request.WhichOneof("message")
            if kind == "pcm" and not begun:
                begun = True
                yield HearResponse(started=SpeechStarted())
            elif kind == "turn" and first:
                raise Unreachable("the connection broke")
            elif kind == "end" and not first:
                yield HearResponse(ended=SpeechEnded())
                yield HearResponse(final=SpeechFinal(turn_id="turn 1", text="seven times twelve"))


class Listener:
    session_id, device_id = "s", "d"

    def __init__(self) -> None:
        self.outbox = Outbox()
        self.acceptances = Acceptances(self.outbox)
        self.problems: list[Exception] = []
        self.began = 0
        self.turns: dict[str, Header] = {}

    def speech_began(self) -> Header:
        self.began += 1
        return Header(turn_id=f"turn {self.began}")

    def problem(self, error: Exception) -> None:
        self.problems.append(error)


async def test_speech_that_dies_in_an_utterance_hears_all_of_it_again_for_the_same_turn() -> None:
    speech, listener = Speech(), Listener()
    sound = [bytes([n]) * 6400 for n in range(5)]

    async def client() -> AsyncIterator[ConverseRequest]:
        for piece in sound:
            yield ConverseRequest(audio=piece)
        yield ConverseRequest(audio_end=AudioEnd())

    hello = Hello(listening=Listening.LISTENING_UNTIL_END)
    await Hearing(hello, listener, DirectCarrier({"Speech": speech})).run(client())
    assert listener.began == 1 and not listener.problems
    again = speech.streams[1]
    assert b"".join(r.pcm for r in again) == b"".join(sound)
    assert [r.turn.turn_id for r in again if r.HasField("turn")] == ["turn 1"]
    listener.outbox.close()
    told = [m.transcript.text async for m in listener.outbox.drain() if m.HasField("transcript")]
    assert told == ["seven times twelve"]


async def test_speech_that_answers_nowhere_is_a_problem_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "_PATIENCE_S", 0.0)

    class Dead:
        async def hear(self, requests: Any, call: Call) -> AsyncGenerator[HearResponse, None]:
            raise Unreachable("nothing answers there")
            yield HearResponse()

    async def client() -> AsyncIterator[ConverseRequest]:
        yield ConverseRequest(audio=bytes(6400))
        yield ConverseRequest(audio_end=AudioEnd())

    hello = Hello(listening=Listening.LISTENING_UNTIL_END)
    with pytest.raises(ExceptionGroup) as raised:
        await Hearing(hello, Listener(), DirectCarrier({"Speech": Dead()})).run(client())
    assert raised.group_contains(Unreachable)


def _pcm(seconds: float) -> HearRequest:
    return HearRequest(pcm=bytes(int(32_000 * seconds)))


def _seconds(kept: KeptSound) -> float:
    return sum(len(piece.pcm) for piece in kept.again()[0]) / 32_000


def test_while_nobody_speaks_only_a_second_is_kept_and_an_utterance_whole() -> None:
    kept = KeptSound(until_end=False)
    for _ in range(100):
        kept.sent(_pcm(0.1))
    assert _seconds(kept) <= 1.0
    kept.began(Header(turn_id="one"))
    for _ in range(100):
        kept.sent(_pcm(0.1))
    assert _seconds(kept) > 10.0
    assert [h.turn_id for h in kept.again()[1]] == ["one"]
    kept.settled("one")
    assert _seconds(kept) <= 0.4 and not kept.again()[1]


def test_an_utterance_that_was_told_to_end_is_dropped_with_its_end_and_the_next_stays() -> None:
    kept = KeptSound(until_end=True)
    kept.sent(_pcm(2))
    kept.began(Header(turn_id="one"))
    kept.sent(HearRequest(end=AudioEnd()))
    kept.sent(_pcm(3))
    kept.settled("one")
    assert _seconds(kept) == 3.0 and not any(p.HasField("end") for p in kept.again()[0])


class Voice:
    """2,000 bytes a clause in four pieces; dies once after two of them, if told to."""

    def __init__(self, dies: int) -> None:
        self.dies = dies
        self.asked: list[str] = []

    async def speak(self, request: SpeakRequest, call: Call) -> AsyncGenerator[SpeakResponse, None]:
        self.asked.append(request.text)
        yield SpeakResponse(began=SpeakBegan(sample_rate_hz=16000))
        sound = bytes(range(250)) * 8
        for n in range(4):
            if n == 2 and self.dies > 0:
                self.dies -= 1
                raise Unreachable("the connection broke")
            yield SpeakResponse(pcm=sound[n * 500 : n * 500 + 500])


async def _spoken(
    voice: Voice, clauses: int = 1, heard: tuple[int, int] = (0, 0)
) -> tuple[list[tuple[int, bytes]], Reply, list[str]]:
    outbox = Outbox()
    reply = Reply("t", outbox, DirectCarrier({"Tts": voice}), mute=False)
    reply.resume(*heard)
    for n in range(clauses):
        event = ReplyEvent(header=Header(turn_id="t", event_id=f"e{n}"), clause=ReplyClause(seq=n, text=f"Clause {n}."))
        reply.take(event)
    reply.take(ReplyEvent(header=Header(turn_id="t", event_id="end"), completed=TurnCompleted()))
    reply.played(0, True)
    await reply.run()
    outbox.close()
    sent = [m async for m in outbox.drain()]
    sound: dict[int, bytes] = {}
    for message in sent:
        if message.HasField("audio"):
            sound[message.audio.seq] = sound.get(message.audio.seq, b"") + message.audio.pcm
    problems = [m.problem.error.message for m in sent if m.HasField("problem")]
    return sorted(sound.items()), reply, problems


async def test_a_voice_that_dies_in_a_clause_goes_on_where_it_stopped() -> None:
    sound, _, problems = await _spoken(Voice(dies=1))
    assert sound == [(0, bytes(range(250)) * 8)] and not problems


async def test_a_voice_that_dies_twice_in_a_clause_is_a_problem() -> None:
    _, _, problems = await _spoken(Voice(dies=2))
    assert len(problems) == 1


async def test_a_reply_that_goes_on_elsewhere_leaves_out_what_was_heard() -> None:
    voice = Voice(dies=0)
    sound, reply, _ = await _spoken(voice, clauses=3, heard=(1, 30))
    whole = bytes(range(250)) * 8
    assert voice.asked == ["Clause 1.", "Clause 2."]
    assert sound == [(1, whole[2 * 16 * 30 :]), (2, whole)]
    assert reply.heard().clauses == 3
