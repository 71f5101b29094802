"""Synthetic traffic: all of it from the seed, and as it was wished for."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from parlance import load_file
from parlance.errors import InvalidRequest
from parlance.load_languages import LANGUAGES
from parlance.load_questions import WAYS, WEIGHTS
from parlance.load_synth import Wanted, synth

PLAIN = Wanted(turns=4000, seed=7)
LABELS = Path(__file__).parents[2] / "services/intent/model/labels.json"


def test_the_same_seed_makes_the_same_file_and_another_seed_another(tmp_path: Path) -> None:
    def made(name: str, wanted: Wanted) -> bytes:
        load_file.write(tmp_path / name, synth(wanted), wanted.origin, None)
        return (tmp_path / name).read_bytes()

    assert made("a", PLAIN) == made("b", PLAIN) != made("c", replace(PLAIN, seed=8))


def test_the_first_turns_of_a_seed_are_always_these() -> None:
    """Whoever shares a seed shares the questions, also in another version of Python."""
    first = synth(Wanted(turns=3, seed=1))
    assert [(t.at_us, t.session, t.text) for t in first] == [
        (0, "talker-0001", "wake me up at nine tomorrow"),
        (376031, "talker-0001", "what should I see in Sydney if I have eight days"),
        (664625, "talker-0012", "what is the time in Delhi"),
    ]
    monday = datetime(2026, 1, 5, tzinfo=UTC)
    assert [datetime.fromtimestamp(t.as_of_us / 1e6, UTC) - monday for t in first] == [
        timedelta(microseconds=t.at_us) for t in first
    ]
    assert [t.person for t in first] == [t.session for t in first]


def test_questions_come_at_the_rate_that_was_wished_for_and_at_random() -> None:
    times = [t.at_us for t in synth(replace(PLAIN, rate=20.0))]
    gaps = [b - a for a, b in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    assert times[0] == 0 and times == sorted(times)
    assert mean == pytest.approx(50_000, rel=0.05)
    # Of exponential gaps 1 - 1/e are shorter than the mean, and their deviation is as large as it.
    assert sum(g < mean for g in gaps) / len(gaps) == pytest.approx(0.632, abs=0.03)
    assert (sum((g - mean) ** 2 for g in gaps) / len(gaps)) ** 0.5 == pytest.approx(mean, rel=0.1)


def test_arrivals_can_be_even_or_come_in_bursts_at_the_same_rate() -> None:
    def gaps(arrivals: str) -> list[int]:
        times = [t.at_us for t in synth(replace(PLAIN, rate=20.0, arrivals=arrivals, turns=20_000))]
        return [b - a for a, b in pairwise(times)]

    assert set(gaps("even")) <= {49_999, 50_000, 50_001}
    bursts = gaps("bursts")
    assert sum(bursts) / len(bursts) == pytest.approx(50_000, rel=0.1)
    assert sum(g < 5_000 for g in bursts) / len(bursts) == pytest.approx(0.95, abs=0.02)


def test_some_open_questions_are_asked_at_length() -> None:
    sizes = [len(t.text.split()) for t in synth(replace(PLAIN, long=0.5))]
    chats = WEIGHTS["chat"] / sum(WEIGHTS.values())
    assert sum(size >= 35 for size in sizes) / len(sizes) == pytest.approx(0.5 * chats, abs=0.02)
    assert max(sizes) <= 100


def test_a_talker_has_one_language_and_talkers_have_theirs_in_their_shares() -> None:
    turns = synth(replace(PLAIN, languages="en:0.5,de:0.5", talkers=400))
    known = {text for ways in LANGUAGES["de"].values() for text in ways}
    german: dict[str, set[bool]] = {}
    for turn in turns:
        german.setdefault(turn.session, set()).add(turn.text in known)
    assert all(len(found) == 1 for found in german.values())
    assert sum(True in found for found in german.values()) / len(german) == pytest.approx(0.5, abs=0.1)
    assert {t.text for t in synth(replace(PLAIN, languages="fr"))} <= {
        text for ways in LANGUAGES["fr"].values() for text in ways
    }


def test_a_day_has_its_quiet_night_and_its_busy_evening() -> None:
    wanted = replace(PLAIN, shape="day", rate=10.0)
    times = [t.at_us for t in synth(wanted)]
    day_us = wanted.turns / wanted.rate * 1e6
    assert times[-1] == pytest.approx(day_us, rel=0.1)
    hours = Counter(int(at / day_us * 24) for at in times)
    night, evening = sum(hours[h] for h in (1, 2, 3)), sum(hours[h] for h in (18, 19, 20))
    assert evening > 10 * night > 0


def test_some_talkers_ask_far_more_than_others() -> None:
    counts = Counter(t.session for t in synth(PLAIN)).most_common()
    assert len(counts) == PLAIN.talkers and counts[0][0] == "talker-0001"
    assert counts[0][1] / counts[9][1] == pytest.approx(10**1.1, rel=0.5)


def test_every_intent_that_is_known_is_asked_for_in_its_share() -> None:
    assert set(WEIGHTS) == set(WAYS) == set(json.loads(LABELS.read_text())["labels"])
    texts = [t.text for t in synth(PLAIN)]
    assert not any("{" in text for text in texts)
    timers = sum("timer for" in text for text in texts) / len(texts)
    assert timers == pytest.approx(WEIGHTS["timer.set"] / sum(WEIGHTS.values()), abs=0.02)


def test_so_many_turns_are_interrupted_as_was_wished_for() -> None:
    cut = [t.interrupt_after_us for t in synth(replace(PLAIN, interruptions=0.25)) if t.interrupt_after_us]
    assert len(cut) / PLAIN.turns == pytest.approx(0.25, abs=0.02)
    assert min(cut) >= 50_000 and max(cut) <= 1_500_000
    assert not any(t.interrupt_after_us for t in synth(replace(PLAIN, interruptions=0.0)))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"turns": 0}, "1 to 1000000 turns"),
        ({"turns": 1_000_001}, "1 to 1000000 turns"),
        ({"rate": 0.0}, "a rate is"),
        ({"rate": float("nan")}, "a rate is"),
        ({"talkers": 0}, "1 to 900 talkers"),
        ({"talkers": 2000}, "1 to 900 talkers"),
        ({"shape": "week"}, "flat or day"),
        ({"interruptions": 1.5}, "share of interruptions"),
        ({"arrivals": "never"}, "arrivals are poisson, even, bursts"),
        ({"long": -0.1}, "share of long questions"),
        ({"languages": "en,tlh"}, "languages are en, de, es, fr"),
        ({"languages": "en:much"}, "languages are en, de, es, fr"),
        ({"languages": "en:0"}, "languages are en, de, es, fr"),
    ],
)
def test_a_wish_that_makes_no_sense_is_told(wrong: dict[str, float], told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        synth(replace(PLAIN, **wrong))  # type: ignore[arg-type]
