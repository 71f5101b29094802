"""How far the stages' groups are behind on Kafka: what their topics hold and they have not committed yet."""

from typing import Any

from aiokafka.admin import AIOKafkaAdminClient

from parlance.kafka_address import REQUEST_S, parse
from parlance.kafka_client import closed, consumer, explained, started

_PREFIX = "parlance."


class Lag:
    """`url`: kafka://HOST:PORT. `async with` opens it; raises Unavailable where no broker answers."""

    def __init__(self, url: str) -> None:
        self._address = parse(url)
        self._admin: Any = None
        self._reader: Any = None

    async def __aenter__(self) -> "Lag":
        admin = AIOKafkaAdminClient(
            bootstrap_servers=list(self._address.servers), request_timeout_ms=int(REQUEST_S * 1000)
        )
        admin.stop = admin.close
        self._admin = await started(admin, self._address)
        self._reader = await started(consumer(self._address, None), self._address)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._admin.close()
        await closed(self._reader)

    async def now(self) -> dict[str, int]:
        """Records by group ("dialogue"). A commit is lazy (100 ms): so much is always behind."""
        found = {}
        async with explained(self._address):
            for name, *_ in await self._admin.list_consumer_groups():
                if name.startswith(_PREFIX):
                    committed = await self._admin.list_consumer_group_offsets(name)
                    ends = await self._reader.end_offsets(list(committed))
                    behind = sum(max(0, ends[at] - told.offset) for at, told in committed.items() if told.offset >= 0)
                    found[name.removeprefix(_PREFIX)] = behind
        return found
