"""A broker that cannot tell a group's offsets now is asked again; the group is never taken for a new one."""

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("aiokafka", reason="the bus on Kafka needs aiokafka, of the extra kafka")

from aiokafka import TopicPartition
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import GroupAuthorizationFailedError, GroupLoadInProgressError, KafkaError
from aiokafka.protocol.commit import OffsetFetchResponse_v3

from parlance.kafka_client import heed_refusals

PLACE = TopicPartition("session.v1", 0)
LOADING, NOT_COORDINATOR, FORBIDDEN, UNHEARD_OF = 14, 16, 30, 9999


class Coordinator(GroupCoordinator):  # type: ignore[misc]
    """aiokafka's own, whose broker answers as the test says."""

    def __init__(self, answer: Any) -> None:
        self.group_id = "g"
        self.answer = answer
        self.dead = False

    async def _send_req(self, request: Any) -> Any:
        return self.answer

    def coordinator_dead(self) -> None:
        self.dead = True

    async def offsets(self) -> dict[Any, Any]:
        found: dict[Any, Any] = await self._do_fetch_commit_offsets([PLACE])
        return found


def _made(answer: Any) -> Coordinator:
    made = Coordinator(answer)
    heed_refusals(SimpleNamespace(_coordinator=made))
    return made


@pytest.mark.parametrize("code", [LOADING, NOT_COORDINATOR, UNHEARD_OF])
async def test_a_refusal_is_no_list_of_nothing(code: int) -> None:
    coordinator = _made(OffsetFetchResponse_v3(0, [], code))
    with pytest.raises(KafkaError) as raised:
        await coordinator.offsets()
    assert raised.value.retriable
    assert coordinator.dead is (code == NOT_COORDINATOR)


async def test_who_may_not_read_a_group_is_told_so() -> None:
    with pytest.raises(GroupAuthorizationFailedError):
        await _made(OffsetFetchResponse_v3(0, [], FORBIDDEN)).offsets()


async def test_offsets_and_their_absence_are_what_they_are() -> None:
    there = _made(OffsetFetchResponse_v3(0, [("session.v1", [(0, 7, "", 0)])], 0))
    assert (await there.offsets())[PLACE].offset == 7
    assert await _made(OffsetFetchResponse_v3(0, [("session.v1", [(0, -1, "", 0)])], 0)).offsets() == {}
    with pytest.raises(GroupLoadInProgressError):
        await _made(OffsetFetchResponse_v3(0, [("session.v1", [(0, -1, "", LOADING)])], 0)).offsets()
