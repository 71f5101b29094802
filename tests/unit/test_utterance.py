"""Where an utterance begins and ends."""

from hypothesis import given
from hypothesis import strategies as st

from services.speech.utterance import Endpointer, Endpointing, Found, Utterance

RULES = Endpointing()
V, S = 0.9, 0.05


def follow(endpointer: Endpointer, *probabilities: float) -> list[tuple[Found, int]]:
    """What was found, and at which frame it was known."""
    found = []
    for probability in probabilities:
        at = endpointer.frame
        if (it := endpointer.push(probability)) is not None:
            found.append((it, at))
    return found


def ended(endpointer: Endpointer) -> Utterance:
    assert endpointer.utterance is not None
    return endpointer.utterance


def test_speech_starts_at_the_third_voiced_frame_and_counts_from_the_first() -> None:
    e = Endpointer(RULES, automatic=True)
    assert follow(e, S, S, V, V, V) == [(Found.STARTED, 4)]
    assert ended(e).first == 2


def test_a_click_is_not_speech() -> None:
    assert follow(Endpointer(RULES, automatic=True), *([V, V, S] * 50)) == []


def test_a_weaker_frame_between_does_not_begin_it_again() -> None:
    e = Endpointer(RULES, automatic=True)
    assert follow(e, V, 0.4, V, V) == [(Found.STARTED, 3)]
    assert ended(e).first == 0


def test_six_hundred_milliseconds_of_silence_end_it() -> None:
    e = Endpointer(RULES, automatic=True)
    assert follow(e, *[V] * 10, *[S] * 18) == [(Found.STARTED, 2)]
    assert follow(e, S) == [(Found.ENDED, 28)]
    assert (ended(e).last, ended(e).decided, ended(e).voiced) == (9, 29, 10)


def test_a_pause_within_a_sentence_does_not_end_it() -> None:
    e = Endpointer(RULES, automatic=True)
    assert follow(e, *[V] * 10, *[S] * 18, *[V] * 10, *[S] * 18) == [(Found.STARTED, 2)]


def test_many_utterances_follow_each_other() -> None:
    e = Endpointer(RULES, automatic=True)
    found = follow(e, *([*[V] * 10, *[S] * 30] * 3))
    assert [f for f, _ in found] == [Found.STARTED, Found.ENDED] * 3


def test_until_end_no_silence_ends_it_and_the_long_pause_is_not_recognised() -> None:
    e = Endpointer(RULES, automatic=False)
    assert follow(e, *[S] * 50, *[V] * 10, *[S] * 200, *[V] * 10, *[S] * 50) == [(Found.STARTED, 52)]
    utterance = e.finish()
    assert utterance is not None
    assert utterance.spans(RULES) == [(31, 79), (241, 289)]


def test_margins_that_touch_are_joined_and_stay_within_the_audio() -> None:
    e = Endpointer(RULES, automatic=True)
    follow(e, *[S] * 3, *[V] * 5, *[S] * 15, *[V] * 5, *[S] * 4)
    utterance = e.finish()
    assert utterance is not None
    assert utterance.spans(RULES) == [(0, 32)]


def test_silence_alone_finishes_with_nothing() -> None:
    e = Endpointer(RULES, automatic=False)
    follow(e, *[S] * 100)
    assert e.finish() is None


def test_a_minute_of_speech_is_cut_and_its_rest_is_not_another_utterance() -> None:
    e = Endpointer(RULES, automatic=True)
    assert follow(e, *[V] * 2500) == [(Found.STARTED, 2), (Found.ENDED, 1874)]
    assert ended(e).cut
    assert follow(e, *[S] * 18, *[V] * 5, *[S] * 19) == []
    assert [f for f, _ in follow(e, *[V] * 5)] == [Found.STARTED]


def test_until_end_what_follows_a_cut_is_ignored_until_the_end() -> None:
    e = Endpointer(RULES, automatic=False)
    follow(e, *[V] * 1900)
    assert e.deaf
    assert follow(e, *[S] * 100, *[V] * 100) == []
    assert e.finish() is None
    assert not e.deaf
    assert [f for f, _ in follow(e, *[V] * 5)] == [Found.STARTED]


def test_too_little_voice_is_no_speech() -> None:
    e = Endpointer(RULES, automatic=True)
    follow(e, V, V, V, *[S] * 30)
    assert not ended(e).speech(RULES)


@given(st.lists(st.sampled_from([0.0, 0.4, 1.0]), max_size=400), st.booleans())
def test_starts_and_ends_alternate_and_audio_still_needed_is_never_given_up(
    probabilities: list[float], automatic: bool
) -> None:
    e = Endpointer(Endpointing(hangover_frames=5, longest_frames=60), automatic=automatic)
    speaking, kept = False, 0
    for probability in probabilities:
        found = e.push(probability)
        assert found is not (Found.STARTED if speaking else Found.ENDED)
        speaking = speaking if found is None else found is Found.STARTED
        if found is Found.STARTED:
            assert max(0, ended(e).first - RULES.margin_frames) >= kept
        if found is Found.ENDED:
            assert all(start >= kept and end <= e.frame for start, end in ended(e).spans(RULES))
        assert e.needed_from >= kept
        kept = e.needed_from
    assert (e.finish() is not None) == speaking
