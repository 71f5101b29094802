"""Replay files: what was written is read again, and whatever is wrong with one is told."""

import hashlib
from pathlib import Path

import pytest

from parlance import load_file
from parlance.errors import InvalidRequest
from parlance.load_recipient import Owner, Recipient, own
from parlance.privacy import Keys
from parlance.v1.replay_pb2 import ReplayTurn

TURNS = [
    ReplayTurn(at_us=0, session="talker-0001", text="put milk on my shopping list"),
    ReplayTurn(at_us=250_000, session="talker-0002", text="où est la gare", interrupt_after_us=80_000),
    ReplayTurn(at_us=4_000_000, session="talker-0001", text="what is on my shopping list"),
]


@pytest.fixture
def home(tmp_path: Path) -> Owner:
    return Owner(tmp_path / "home" / "keys.json", "owner")


@pytest.mark.parametrize("encrypted", [False, True])
def test_what_was_written_is_read_again(tmp_path: Path, home: Owner, encrypted: bool) -> None:
    file = tmp_path / "a.replay"
    written = load_file.write(file, TURNS, "record", home if encrypted else None)
    found = load_file.read(file, home)
    assert list(found.turns) == TURNS and found.head == written.head
    assert (found.head.turns, found.head.sessions, found.head.length_us) == (3, 2, 4_000_000)
    assert found.digest == written.digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert bool(found.head.key_id) == encrypted


def test_an_encrypted_file_shows_no_word_and_the_same_turns_look_different_twice(tmp_path: Path, home: Owner) -> None:
    files = [tmp_path / "a.replay", tmp_path / "b.replay"]
    for file in files:
        load_file.write(file, TURNS, "record", home)
    a, b = (file.read_bytes() for file in files)
    assert a != b and b"milk" not in a and b"talker" not in a


def test_a_file_for_somebody_else_is_refused_and_leaves_no_keys_behind(tmp_path: Path, home: Owner) -> None:
    file, other = tmp_path / "a.replay", Owner(tmp_path / "other" / "keys.json", "owner")
    load_file.write(file, TURNS, "record", home)
    with pytest.raises(InvalidRequest, match=r"encrypted for somebody else .*--plain"):
        load_file.read(file, other)
    assert not other.keys.exists()
    load_file.write(tmp_path / "theirs.replay", TURNS, "record", other)
    for owner in (other, Owner(home.keys, "ben")):
        with pytest.raises(InvalidRequest, match="encrypted for somebody else"):
            load_file.read(file, owner)


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_file_that_was_cut_anywhere_is_told_so(tmp_path: Path, home: Owner, encrypted: bool) -> None:
    file = tmp_path / "a.replay"
    load_file.write(file, TURNS, "record", home if encrypted else None)
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(InvalidRequest, match="cut or damaged"):
            load_file.read(file, home)


def test_a_flipped_bit_is_told(tmp_path: Path, home: Owner) -> None:
    file = tmp_path / "a.replay"
    load_file.write(file, TURNS, "record", None)
    whole = file.read_bytes()
    for at in range(len(b"parlance-replay 1\n"), len(whole)):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(InvalidRequest, match="cut or damaged"):
            load_file.read(file, home)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PAR1 something else", "is no replay file"),
        (b"parlance-replay x\n" + bytes(60), "is no replay file"),
        (b"parlance-replay 2\n" + bytes(60), "is of version 2; this Parlance reads up to 1: update"),
        (b"", "cut or damaged"),
    ],
)
def test_a_foreign_or_newer_file_is_told(tmp_path: Path, home: Owner, content: bytes, told: str) -> None:
    file = tmp_path / "a.replay"
    file.write_bytes(content)
    with pytest.raises(InvalidRequest, match=told):
        load_file.read(file, home)


def test_a_file_whose_checksum_fits_but_whose_content_makes_no_sense_is_told(tmp_path: Path, home: Owner) -> None:
    file = tmp_path / "a.replay"
    for body in (b"", b"\x02\x08\x01", b"\x02\x08\x01" + b"junk", b"\xff" * 40):
        content = b"parlance-replay 1\n" + body
        file.write_bytes(content + hashlib.sha256(content).digest())
        with pytest.raises(InvalidRequest, match=r"again|record less"):
            load_file.read(file, home)


def test_a_place_where_nothing_can_be_read_or_written_is_told(tmp_path: Path, home: Owner) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read: No such file"):
        load_file.read(tmp_path / "absent.replay", home)
    with pytest.raises(InvalidRequest, match="cannot be read"):
        load_file.read(tmp_path, home)
    with pytest.raises(InvalidRequest, match="cannot be written"):
        load_file.write(tmp_path / "absent" / "a.replay", TURNS, "record", None)
    assert list(tmp_path.iterdir()) == []


def test_a_file_for_somebody_else_is_read_there_and_nowhere_else(tmp_path: Path, home: Owner) -> None:
    file, theirs = tmp_path / "a.replay", Owner(tmp_path / "theirs" / "keys.json", "ben")
    to_them = Recipient.of(own(theirs).told)
    written = load_file.write(file, TURNS, "record", to_them)
    assert written.head.key_id == to_them.id and b"milk" not in file.read_bytes()
    assert list(load_file.read(file, theirs).turns) == TURNS
    assert own(theirs) == to_them, "asked for again, it is the same"
    own(home)
    for nobody in (home, Owner(theirs.keys, "carl"), Owner(tmp_path / "absent" / "keys.json", "ben")):
        with pytest.raises(InvalidRequest, match=r"somebody else \(key x25519:.*'record --for KEY'"):
            load_file.read(file, nobody)
    Keys(theirs.keys).destroy("ben")
    with pytest.raises(InvalidRequest, match="somebody else"):
        load_file.read(file, theirs)


def test_a_key_with_a_slip_of_the_pen_is_told(home: Owner) -> None:
    told = own(home).told
    slips = (
        told[:-1],
        told[:20] + ("A" if told[20] != "A" else "B") + told[21:],
        told.removeprefix("parlance-"),
        "",
        "é",
    )
    for slip in slips:
        with pytest.raises(InvalidRequest, match="copy it whole"):
            Recipient.of(slip)
    assert Recipient.of(f" {told}\n").told == told
