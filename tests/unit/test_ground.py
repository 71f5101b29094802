"""What every service stands on: the recent past is read also where something in it cannot be read."""

from pathlib import Path

from parlance.bus import Out
from parlance.bus_journal import JournalBus
from parlance.config import load
from parlance.events import EVENT_CLASSES, to_bytes, topic_of, wrap
from parlance.ground import Ground
from parlance.privacy import Keys, Sealing
from parlance.routes import Routes
from parlance.v1.llm_pb2 import LlmAnswered, LlmEvent
from parlance.v1.turn_pb2 import AnswerRecorded, Header


async def test_what_cannot_be_read_does_not_hide_what_can(tmp_path: Path) -> None:
    bus = JournalBus(tmp_path / "journal.db")
    bus.declare([topic_of(cls) for cls in EVENT_CLASSES])
    await bus.start()
    try:
        ground = Ground(load(), bus, None, Sealing(Keys(tmp_path / "keys.json")), Routes(bus))
        header = Header(event_id="e", session_id="s", user_id="owner")
        answer = LlmAnswered(answer=AnswerRecorded(call_id="c", chunks=[b"yes"]))
        await ground.written(wrap(LlmEvent, header, answer))
        key_id, _ = Keys(tmp_path / "keys.json").cipher("owner", create=False)
        forged = wrap(LlmEvent, header, LlmAnswered())
        forged.sealed.key_id, forged.sealed.topic = key_id, "llm.v1"
        forged.sealed.nonce, forged.sealed.ciphertext = bytes(12), bytes(40)
        topic, partition = "llm.v1", 0
        for value in (b"\xff\xff no event", to_bytes(forged)):
            bus.append([Out(topic, n, b"s", value) for n in range(4)])
        await bus.publish(Out(topic, partition, b"s", b"\xff"))
        found = [event.answered.answer.call_id async for event in ground.recent(LlmEvent)]
        assert found == ["c"]
    finally:
        await bus.stop()
