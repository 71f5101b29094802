"""Dead letters on demand: an operator's request on the control topic hands one back to its stage."""

import asyncio
from collections.abc import Mapping

from google.protobuf.message import DecodeError

from parlance import clock
from parlance.bus import Bus
from parlance.events import dead_topic
from parlance.log import logger
from parlance.routes import Routes
from parlance.stage import Stage
from parlance.v1.control_pb2 import ControlEvent, DeadLetterReplay
from parlance.v1.dead_pb2 import DeadLetter


class Replays:
    """Requests older than this process were answered by an earlier one."""

    def __init__(self, bus: Bus, stages: Mapping[str, Stage], group: asyncio.TaskGroup) -> None:
        self._bus, self._stages, self._group = bus, stages, group
        self._since_us = clock.now_us()

    def watch(self, routes: Routes) -> None:
        routes.on_replay(self._asked)

    def _asked(self, event: ControlEvent) -> None:
        stage = self._stages.get(event.replay.stage)
        if stage is not None and event.header.accepted_at_us >= self._since_us:
            self._group.create_task(self._replay(stage, event.replay))

    async def _replay(self, stage: Stage, asked: DeadLetterReplay) -> None:
        records = await self._bus.read(dead_topic(asked.stage).name, asked.partition, asked.offset, 1)
        try:
            if records and records[0].offset == asked.offset:
                stage.replay(DeadLetter.FromString(records[0].value))
        except DecodeError:
            logger.warning("dead letter %s/%d is no event; it stays where it is", asked.stage, asked.offset)
