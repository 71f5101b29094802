"""Topics as the protos declare them against those that a broker has: what is missing is made, what differs is shown.

Nothing is ever deleted here, and no number of partitions changed: both would tear sessions apart.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from parlance.errors import Unavailable
from parlance.events import TopicInfo
from parlance.kafka_address import CONNECT_S, REQUEST_S, Address
from parlance.kafka_client import explained, security, started

_REPLICAS = 3
_LOOK_S = 0.05
# Where describe_configs says that a value was set on the topic itself (DYNAMIC_TOPIC_CONFIG).
_OWN = 1


@dataclass(frozen=True, slots=True)
class Difference:
    """Of one topic that is there: setting -> (what it is, what is declared)."""

    topic: str
    settings: dict[str, tuple[str, str]]


@dataclass(slots=True)
class Plan:
    missing: list[TopicInfo] = field(default_factory=list)
    same: list[TopicInfo] = field(default_factory=list)
    different: list[Difference] = field(default_factory=list)
    # (topic, how many partitions it has): only its owner can repair that, by hand.
    uneven: list[tuple[TopicInfo, int]] = field(default_factory=list)


def settings_of(info: TopicInfo) -> dict[str, str]:
    """A topic's configuration. The broker stamps: then one clock counts and time never goes back in a partition."""
    return {
        "cleanup.policy": "compact" if info.compacted else "delete",
        "retention.ms": str(info.retention_ms or -1),
        "message.timestamp.type": "LogAppendTime",
        # Synced to disk before it is acknowledged.
        "flush.messages": "1" if info.durable else str(2**63 - 1),
    }


async def opened_admin(address: Address) -> Any:
    """Raises Unavailable where no broker answers."""
    client = AIOKafkaAdminClient(
        **security(address), bootstrap_servers=list(address.servers), request_timeout_ms=int(REQUEST_S * 1000)
    )
    client.stop = client.close
    return await started(client, address)


class Topics:
    """Of one cluster; `async with` opens it."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._admin: Any = None

    async def __aenter__(self) -> "Topics":
        """Raises Unavailable where no broker answers."""
        self._admin = await opened_admin(self._address)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._admin.close()

    async def plan(self, infos: Sequence[TopicInfo]) -> Plan:
        """Changes nothing."""
        async with explained(self._address), asyncio.timeout(CONNECT_S):
            known = set(await self._admin.list_topics())
            counts = {}
            there = [info.name for info in infos if info.name in known]
            if there:
                counts = {t["topic"]: len(t["partitions"]) for t in await self._admin.describe_topics(there)}
            configs = await self._settings(there)
        plan = Plan()
        for info in infos:
            _place(plan, info, counts.get(info.name, 0), configs.get(info.name, {}))
        return plan

    async def create(self, infos: Sequence[TopicInfo]) -> None:
        """Raises Unavailable where the broker refuses one, which it names."""
        if not infos:
            return
        async with explained(self._address):
            brokers = len((await self._admin.describe_cluster())["brokers"])
            replicas = _REPLICAS if brokers >= _REPLICAS else 1
            made = [self._new(info, replicas) for info in infos]
            answer = await self._admin.create_topics(made)
        for name, code, *_ in answer.topic_errors:
            if code:
                raise Unavailable(f"Kafka at {self._address} did not make {name}: {for_code(code).__name__}")
        await self._led({info.name: info.partitions for info in infos})

    async def _led(self, counts: Mapping[str, int]) -> None:
        """Returns when every partition has a leader: the controller answers before the brokers know of it."""
        async with explained(self._address), asyncio.timeout(CONNECT_S):
            while True:
                found = await self._admin.describe_topics(list(counts))
                led = {t["topic"]: sum(p["leader"] >= 0 for p in t["partitions"]) for t in found}
                if led == counts:
                    return
                await asyncio.sleep(_LOOK_S)

    def _new(self, info: TopicInfo, replicas: int) -> Any:
        settings = settings_of(info) | ({"min.insync.replicas": "2"} if replicas == _REPLICAS else {})
        return NewTopic(info.name, info.partitions, replicas, topic_configs=settings)

    async def change(self, differences: Sequence[Difference]) -> None:
        """Sets what is declared; a topic's other settings stay. Raises Unavailable where the broker refuses."""
        if not differences:
            return
        async with explained(self._address), asyncio.timeout(CONNECT_S):
            wanted = await self._settings([d.topic for d in differences], own=True)
            for d in differences:
                wanted[d.topic] |= {name: declared for name, (_, declared) in d.settings.items()}
            answers = await self._admin.alter_configs(
                [ConfigResource(ConfigResourceType.TOPIC, topic, configs) for topic, configs in wanted.items()]
            )
            self._check_changed(answers)
            while True:  # the controller answers before the brokers know of it
                if await self._settings(list(wanted), own=True) == wanted:
                    return
                await asyncio.sleep(_LOOK_S)

    def _check_changed(self, answers: Sequence[Any]) -> None:
        for answer in answers:
            for code, message, _kind, name in answer.resources:
                if code:
                    told = message or for_code(code).__name__
                    raise Unavailable(f"Kafka at {self._address} did not change {name}: {told}")

    async def _settings(self, names: Sequence[str], *, own: bool = False) -> dict[str, dict[str, str]]:
        """`own`: only what was set on the topic itself."""
        if not names:
            return {}
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        found: dict[str, dict[str, str]] = {}
        for answer in await self._admin.describe_configs(asked):
            for _code, _message, _kind, name, entries in answer.resources:
                found[name] = {e[0]: e[1] for e in entries if not own or e[3] == _OWN}
        return found


def _place(plan: Plan, info: TopicInfo, partitions: int, configs: Mapping[str, str]) -> None:
    if not partitions:
        plan.missing.append(info)
    elif partitions != info.partitions:
        plan.uneven.append((info, partitions))
    else:
        wanted = settings_of(info)
        other = {k: (configs.get(k, ""), v) for k, v in wanted.items() if configs.get(k) != v}
        if other:
            plan.different.append(Difference(info.name, other))
        else:
            plan.same.append(info)
