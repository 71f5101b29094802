"""Bad input gets a clear message and the right exit code, and loses nothing."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from parlance.bus import Out
from parlance.bus_journal import JournalBus
from parlance.events import declared
from tests.e2e.conftest import ROOT, Platform

AUDIO = ROOT / "examples/audio"


def _wav(path: Path, sound: "np.ndarray", rate: int = 16000, subtype: str = "PCM_16") -> Path:  # type: ignore[type-arg]
    soundfile.write(path, sound, rate, subtype=subtype)
    return path


def _speech() -> "tuple[np.ndarray, int]":  # type: ignore[type-arg]
    sound, rate = soundfile.read(AUDIO / "what-is-seven-times-twelve.wav")
    return sound, rate


@pytest.mark.parametrize("kind", ["silence", "noise"])
def test_silence_and_noise_are_turns_that_end_with_nothing_heard(platform: Platform, tmp_path: Path, kind: str) -> None:
    samples = 3 * 16000
    sound = np.zeros(samples) if kind == "silence" else np.random.default_rng(7).normal(0, 0.05, samples)
    told = platform.json("say", _wav(tmp_path / "x.wav", sound), code=1)
    assert told["outcome"] == "cancelled" and told["reason"] == "nothing_heard"
    assert not told["transcript"] and not told["reply"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("empty.wav", b""), ("text.wav", b"hello\n"), ("cut.flac", None)],
)
def test_what_is_no_sound_is_refused(platform: Platform, tmp_path: Path, name: str, content: bytes | None) -> None:
    path = tmp_path / name
    whole = (AUDIO / "jfk.flac").read_bytes()
    path.write_bytes(whole[:200] if content is None else content)
    done = platform.cli("say", path)
    assert done.returncode == 2
    assert done.stderr.startswith("parlance: ") and "Traceback" not in done.stderr


def test_a_missing_file_is_refused(platform: Platform, tmp_path: Path) -> None:
    done = platform.cli("say", tmp_path / "nowhere.wav")
    assert done.returncode == 2 and "nowhere.wav" in done.stderr.replace("\n", "")


@pytest.mark.parametrize(("rate", "channels", "subtype"), [(8000, 1, "ULAW"), (96000, 2, "PCM_24")])
def test_strange_but_sound_recordings_are_heard(
    platform: Platform, tmp_path: Path, rate: int, channels: int, subtype: str
) -> None:
    import soxr

    sound, own = _speech()
    sound = soxr.resample(sound, own, rate)
    if channels == 2:
        sound = np.stack([sound, sound], axis=1)
    told = platform.json("say", _wav(tmp_path / "x.wav", sound, rate, subtype))
    assert "84" in told["reply"]


def test_twenty_minutes_of_sound_are_cut_and_answered(platform: Platform, tmp_path: Path) -> None:
    sound, rate = _speech()
    times = int(20 * 60 * rate / len(sound)) + 1
    told = platform.json("say", _wav(tmp_path / "long.wav", np.tile(sound, times), rate), timeout=300)
    assert told["outcome"] == "answered" and told["transcript"]


def test_without_a_running_platform_the_code_is_three(own_platform: Platform) -> None:
    for words in (("ask", "hello"), ("stats", "--json"), ("usage", "--json"), ("egress",)):
        done = own_platform.cli(*words)
        assert done.returncode == 3 and "parlance run" in done.stderr and not done.stdout


def test_a_second_run_on_the_same_home_is_refused(platform: Platform) -> None:
    second = Platform(platform.home)
    done = subprocess.run(
        [sys.executable, "-m", "parlance.cli", "run"],
        env=second.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and "another" in done.stderr.lower()
    assert platform.json("ask", "what is two plus two")["outcome"] == "answered"


def test_a_taken_port_is_named_with_what_to_do(platform: Platform, tmp_path: Path) -> None:
    for taken in ({"grpc_port": platform.grpc_port}, {"http_port": platform.http_port}):
        other = Platform(tmp_path / "home", **taken)
        done = subprocess.run(
            [sys.executable, "-m", "parlance.cli", "run"],
            env=other.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 1 and str(next(iter(taken.values()))) in done.stderr
        assert "PARLANCE_" in done.stderr


def test_a_broken_journal_is_named_and_kept(own_platform: Platform) -> None:
    own_platform.home.mkdir(parents=True)
    journal = own_platform.home / "journal.db"
    journal.write_bytes(b"this is no database" * 500)
    done = own_platform.cli("run")
    assert done.returncode == 1 and "journal.db" in done.stderr.replace("\n", "")
    assert journal.read_bytes().startswith(b"this is no database")


async def test_bytes_that_are_no_event_stop_no_partition_and_are_listed(own_platform: Platform) -> None:
    own_platform.start()
    bus = JournalBus(own_platform.home / "journal.db", owner=False)
    bus.declare(declared())
    await bus.start()
    for topic in declared():
        for partition in range(topic.partitions):
            for junk in (b"\xff\xff no event", b""):
                await bus.publish(Out(topic.name, partition, b"junk", junk))
    await bus.stop()
    for _ in range(2):
        assert "84" in own_platform.json("ask", "what is seven times twelve")["reply"]
        letters = own_platform.json("dlq")
        found = Counter((letter["letter"].partition("/")[0], letter["topic"]) for letter in letters)
        assert found == {
            **{("intent", topic): 8 for topic in ("session.v1", "speech.v1")},
            **{("dialogue", topic): 8 for topic in ("session.v1", "intent.v1", "effect.v1")},
            **{(stage, f"{stage}.dead.v1"): 2 for stage in ("intent", "dialogue")},
        }
        refused = own_platform.cli("dlq", "replay", letters[0]["letter"])
        assert refused.returncode == 2 and "another program or a newer Parlance" in refused.stderr
        assert own_platform.end() == 0
        own_platform.start()
    assert "Traceback" not in own_platform.log


def test_the_journal_holds_no_personal_words_in_the_clear(platform: Platform) -> None:
    platform.json("ask", "put quokkafood on my shopping list")
    platform.json("ask", "what is on my shopping list")
    for file in platform.home.rglob("*"):
        if file.is_file():
            assert b"quokkafood" not in file.read_bytes(), file
