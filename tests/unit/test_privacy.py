"""Personal fields are sealed before they are written, and opened for whoever has the key."""

from pathlib import Path

import pytest

from parlance.events import parse, to_bytes, wrap
from parlance.privacy import KeyDestroyed, Keys, Sealing
from parlance.v1.intent_pb2 import IntentEvent, IntentRecognized, Slot
from parlance.v1.reply_pb2 import ReplyClause, ReplyEvent
from parlance.v1.turn_pb2 import Card, Header

HEADER = Header(user_id="ana", session_id="s", turn_id="t", event_id="e")


def _event() -> IntentEvent:
    body = IntentRecognized(
        intent="list.add", text="put quokkas on my list", slots=[Slot(name="item", value="quokkas")]
    )
    made: IntentEvent = wrap(IntentEvent, HEADER, body)
    return made


@pytest.fixture
def sealing(tmp_path: Path) -> Sealing:
    return Sealing(Keys(tmp_path / "keys.json"))


def test_what_is_written_holds_no_personal_word(sealing: Sealing) -> None:
    sealed = sealing.seal(_event())
    assert b"quokka" not in sealed and b"list.add" in sealed


def test_opened_it_is_the_same_event_byte_for_byte(sealing: Sealing) -> None:
    event = _event()
    assert to_bytes(sealing.open(parse("intent.v1", sealing.seal(event)))) == to_bytes(event)


def test_a_message_field_is_sealed_whole(sealing: Sealing) -> None:
    event = wrap(ReplyEvent, HEADER, ReplyClause(seq=1, text="Here.", card=Card(title="quokkas", lines=["one"])))
    sealed = sealing.seal(event)
    assert b"quokkas" not in sealed
    assert to_bytes(sealing.open(parse("reply.v1", sealed))) == to_bytes(event)


def test_two_seals_of_one_event_differ(sealing: Sealing) -> None:
    assert sealing.seal(_event()) != sealing.seal(_event())


def test_another_process_with_the_key_file_can_open(tmp_path: Path) -> None:
    sealed = Sealing(Keys(tmp_path / "keys.json")).seal(_event())
    assert Sealing(Keys(tmp_path / "keys.json")).open(parse("intent.v1", sealed)).recognized.text


def test_a_destroyed_key_erases(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys.json")
    sealing = Sealing(keys)
    sealed, row = sealing.seal(_event()), sealing.seal_bytes("ana", "note", b"quokka")
    keys.destroy("ana")
    with pytest.raises(KeyDestroyed):
        sealing.open(parse("intent.v1", sealed))
    sealing.seal(_event())  # a new key
    with pytest.raises(KeyDestroyed):
        sealing.open(parse("intent.v1", sealed))
    with pytest.raises(KeyDestroyed):
        sealing.open_bytes("ana", "note", row)


def test_another_user_cannot_open_a_row(sealing: Sealing) -> None:
    row = sealing.seal_bytes("ana", "note", b"quokka")
    sealing.seal_bytes("ben", "note", b"other")
    with pytest.raises(KeyDestroyed):
        sealing.open_bytes("ben", "note", row)


def test_the_key_file_is_its_owners_alone(sealing: Sealing, tmp_path: Path) -> None:
    sealing.seal(_event())
    assert (tmp_path / "keys.json").stat().st_mode & 0o077 == 0
