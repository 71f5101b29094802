"""What benchmarks.overhead measures answers, with the turn contract and without."""

from contextlib import nullcontext
from pathlib import Path
from unittest import mock

import pytest

from benchmarks import bare, overhead
from benchmarks.typing_device import TypingDevice
from parlance.v1.reply_pb2 import OUTCOME_ANSWERED
from services.llm.providers import PROVIDERS as MODELS
from services.tts.providers import PROVIDERS as VOICES


@pytest.mark.parametrize("contract", [True, False])
async def test_a_turn_is_answered_whole(tmp_path: Path, contract: bool) -> None:
    ids = nullcontext() if contract else bare.random_ids()
    with ids, mock.patch.dict(MODELS), mock.patch.dict(VOICES):  # a benchmark has its process to itself
        async with overhead._form(tmp_path, contract) as pieces, TypingDevice(pieces.gateway, "s") as device:
            asked = await device.ask("how are you today")
    assert asked.outcomes == [OUTCOME_ANSWERED] and asked.clauses == [0, 1, 2] and asked.pieces == 9
