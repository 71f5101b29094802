"""What a client says again with the next gateway."""

import pytest

from parlance.said import Said
from parlance.v1.gateway_service_pb2 import Accepted, AudioEnd, ConverseRequest, Hello, Listening, Text
from parlance.v1.turn_pb2 import MODALITY_SPOKEN, MODALITY_TYPED

HELD = Hello(listening=Listening.LISTENING_UNTIL_END)
OPEN = Hello(listening=Listening.LISTENING_AUTOMATIC, sample_rate_hz=100)
END = ConverseRequest(audio_end=AudioEnd())


def _sound(said: Said, *pieces: bytes, end: bool = True) -> list[ConverseRequest]:
    sent = [ConverseRequest(audio=piece) for piece in pieces] + [END] * end
    for piece in sent:
        said.sound(piece)
    return sent


def _text(said: Said, name: str) -> ConverseRequest:
    request = ConverseRequest(text=Text(text="what time is it", name=name))
    said.text(request)
    return request


def _spoken(turn_id: str) -> Accepted:
    return Accepted(turn_id=turn_id, modality=MODALITY_SPOKEN)


def test_a_text_is_said_again_until_it_is_accepted() -> None:
    said = Said(HELD)
    text = _text(said, "a")
    assert not text.text.again
    (again,) = said.again()
    assert (again.text.name, again.text.again) == ("a", True)
    said.accepted(Accepted(turn_id="a", modality=MODALITY_TYPED))
    assert said.again() == []


@pytest.mark.parametrize("early", [False, True])
def test_an_utterance_is_said_again_until_its_words_have_come_whenever_it_was_accepted(early: bool) -> None:
    said = Said(HELD)
    first = _sound(said, b"1", b"2")
    assert said.again() == first
    for tell in (said.understood, lambda turn: said.accepted(_spoken(turn)))[:: 1 if early else -1]:
        tell("a")
    assert said.again() == [] and not said.speaks("a")
    second = _sound(said, b"3")
    assert said.again() == second


def test_of_two_utterances_the_one_without_words_is_said_again() -> None:
    said = Said(HELD)
    _sound(said, b"1")
    said.accepted(_spoken("a"))
    second = _sound(said, b"2", end=False)
    said.understood("a")
    assert said.again() == second


def test_what_came_to_nothing_is_not_said_again() -> None:
    said = Said(HELD)
    _sound(said, b"1")
    said.accepted(_spoken("a"))
    assert said.speaks("a")
    said.over("another")
    assert said.speaks("a")
    said.over("a")
    assert said.again() == []


def test_what_is_said_again_becomes_another_turn_and_the_old_one_takes_nothing_of_it() -> None:
    said = Said(HELD)
    first = _sound(said, b"1")
    said.accepted(_spoken("a"))
    assert said.again() == first and not said.speaks("a")
    said.understood("a")
    said.over("a")
    assert said.again() == first
    said.accepted(_spoken("b"))
    assert said.speaks("b")
    said.understood("b")
    assert said.again() == []


def test_a_text_ends_what_was_spoken_before_it_and_the_words_of_that_do_not_take_it_away() -> None:
    said = Said(HELD)
    _sound(said, b"1")
    said.accepted(_spoken("a"))
    text = _text(said, "b")
    said.understood("a")
    assert said.again() == [text]


def test_where_an_utterance_begins_is_told_where_its_end_is() -> None:
    said = Said(HELD)
    assert [said.sound(p) for p in (ConverseRequest(audio=b"1"), END, ConverseRequest(audio=b"2"), END)] == [
        True,
        False,
        True,
        False,
    ]


def test_of_sound_that_never_ends_no_more_than_an_utterance_is_kept() -> None:
    said = Said(OPEN)
    for second in range(100):
        _sound(said, bytes([second]) * 200, end=False)
    assert [p.audio[0] for p in said.again()] == [99]
    said.accepted(_spoken("a"))
    for second in range(100, 200):
        _sound(said, bytes([second]) * 200, end=False)
    assert [p.audio[0] for p in said.again()] == list(range(138, 200))
