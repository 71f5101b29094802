"""An answer that does not end, or comes as one huge piece, is cut where it would be too long to say and to keep."""

from pathlib import Path

import pytest

from parlance.kafka_address import EVENT_BYTES
from parlance.v1.llm_service_pb2 import Finish
from services.llm.attempt import Limits
from tests.unit.test_llm_service import Desk, script


@pytest.mark.parametrize("text", ["é" * 1_300_000, "word " * 260_000], ids=["one piece", "many pieces"])
async def test_an_answer_without_end_is_cut_and_small_enough_for_the_log(tmp_path: Path, text: str) -> None:
    desk = Desk(script(tmp_path / "s.json", answers=[{"text": text}]))
    async with desk.service:
        *_, last = parts = await desk.ask()
    said = "".join(part.text for part in parts)
    assert len(said) == Limits().characters and text.startswith(said)
    assert last.finished.finish == Finish.FINISH_LENGTH and last.finished.estimated
    assert all(event.ByteSize() < EVENT_BYTES for event in desk.events) and len(desk.of("answered")) == 1


async def test_an_answer_that_just_fits_ends_as_its_provider_said(tmp_path: Path) -> None:
    desk = Desk(script(tmp_path / "s.json", answers=[{"text": "four"}]), limits=Limits(characters=5))
    async with desk.service:
        *_, last = await desk.ask()
    assert last.finished.finish == Finish.FINISH_STOP
