"""How aiokafka's clients are made: one place for their settings, and for making its errors ours."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    GroupLoadInProgressError,
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    NotCoordinatorForGroupError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.commit import OffsetFetchRequest

from parlance import kafka_handshake, kafka_lost, tls
from parlance.bus import Record
from parlance.errors import NotYet, Unavailable
from parlance.events import TopicInfo
from parlance.kafka_address import CONNECT_S, EVENT_BYTES, LEAVE_S, REQUEST_S, Address

# It logs each attempt at a broker that is away, as an error; `Bus.failed` says it once.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

# The record itself is refused: another attempt would end in the same way.
REFUSED = (MessageSizeTooLargeError, InvalidTopicError, TopicAuthorizationFailedError)
FETCH_WAIT_MS = 500
_REQUEST_BYTES = 1 << 20
_BATCH_BYTES = 128 << 10
_REQUEST_MS = int(REQUEST_S * 1000)
_NEVER_MS = 2**31 - 1
# A frozen member is noticed after its session timeout; the others hear of it with their next heartbeat and take over
# what it had, all within a second more.
_SESSION_MS, _HEARTBEAT_MS = 6000, 500

assert EVENT_BYTES < _REQUEST_BYTES


def security(address: Address) -> dict[str, Any]:
    """The arguments of any client that concern certificates."""
    if address.tls is None:
        return {}
    return {"security_protocol": "SSL", "ssl_context": tls.context(address.tls)}


class Producer(AIOKafkaProducer):  # type: ignore[misc] # aiokafka has no types
    async def abandon(self) -> None:
        """Ends it without its records: its own stop would wait for them, for ever where the broker is away."""
        self._closed = True
        try:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(LEAVE_S):
                    await self._sender.close()
        finally:
            await self.client.close()


def producer(address: Address) -> Any:
    """Idempotent, acknowledged by all replicas in sync, nothing waits for company. In this form the client keeps a
    batch until the broker takes it, however long that is."""
    return Producer(
        **security(address),
        bootstrap_servers=list(address.servers),
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        max_batch_size=_BATCH_BYTES,
        max_request_size=_REQUEST_BYTES,
        request_timeout_ms=_REQUEST_MS,
        retry_backoff_ms=100,
    )


def metadata_client(address: Address) -> Any:
    """Knows the cluster and nothing else."""
    return AIOKafkaClient(
        **security(address),
        bootstrap_servers=list(address.servers),
        request_timeout_ms=_REQUEST_MS,
        retry_backoff_ms=100,
    )


def consumer(address: Address, group: str | None, *, fetch_wait_ms: int = FETCH_WAIT_MS) -> Any:
    """Dynamic member, Range assignment, commits by hand. A paused reader is never taken for a dead one: the loop
    that would read is the loop that sends the heartbeats."""
    return AIOKafkaConsumer(
        **security(address),
        bootstrap_servers=list(address.servers),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        partition_assignment_strategy=[RangePartitionAssignor],
        session_timeout_ms=_SESSION_MS,
        heartbeat_interval_ms=_HEARTBEAT_MS,
        max_poll_interval_ms=_NEVER_MS,
        rebalance_timeout_ms=_REQUEST_MS,
        request_timeout_ms=_REQUEST_MS,
        retry_backoff_ms=100,
        fetch_max_wait_ms=fetch_wait_ms,
        max_partition_fetch_bytes=_REQUEST_BYTES,
    )


async def started(client: Any, address: Address) -> Any:
    """The client, connected. Raises Unavailable where nothing that speaks Kafka answers, or nothing that takes our
    certificate and shows a good one."""
    # Not cancelled with us: in the middle of it, the client would leave its connection open.
    starting = asyncio.get_running_loop().create_task(client.start())
    try:
        async with asyncio.timeout(CONNECT_S):
            await asyncio.shield(starting)
    except BaseException as exc:
        await asyncio.wait([starting], timeout=LEAVE_S)
        if not starting.cancel():
            starting.exception()
        await closed(client)
        if isinstance(exc, ClusterAuthorizationFailedError):
            raise address.forbidden() from exc
        if isinstance(exc, KafkaError | OSError | TimeoutError):
            raise (await kafka_handshake.refusal(address) or address.absent()) from exc
        raise
    return client


def heed_refusals(client: Any) -> None:
    """Between the start of a group's consumer and its subscription. A broker that cannot tell the group's offsets now
    says so beside an empty list; aiokafka looks at the list alone, takes the group for one that has committed nothing,
    and would read all that there is again. As an error it asks once more."""
    coordinator = client._coordinator
    send = coordinator._send_req

    async def checked(request: Any) -> Any:
        response = await send(request)
        code = getattr(response, "error_code", 0) if isinstance(request, OffsetFetchRequest) else 0
        if not code:
            return response
        refused = for_code(code)
        if refused is GroupAuthorizationFailedError:
            raise refused(coordinator.group_id)
        if refused is NotCoordinatorForGroupError:
            coordinator.coordinator_dead()
        raise refused() if refused.retriable else GroupLoadInProgressError()

    coordinator._send_req = checked


async def closed(client: Any) -> None:
    """Stops a client; what it cannot say to a broker that is away is left unsaid."""
    kafka_lost.bury(client)
    try:
        async with asyncio.timeout(LEAVE_S):
            await client.stop()
    except BaseException as exc:
        await kafka_lost.inner_of(client).close()
        # A task of its own that has died raises again whatever it died of.
        if not isinstance(exc, Exception) and not _is_its_own(exc):
            raise


def _is_its_own(exc: BaseException) -> bool:
    """Whether it is one of aiokafka's tasks that was cancelled, and not this one: where a fetch has just failed, its
    stop lets that through."""
    task = asyncio.current_task()
    return isinstance(exc, asyncio.CancelledError) and task is not None and not task.cancelling()


@contextlib.asynccontextmanager
async def explained(address: Address) -> AsyncGenerator[None, None]:
    """Makes the client's errors ours. Raises NotYet: a broker that is slow or starting answers so too."""
    try:
        yield
    except (KafkaError, OSError, TimeoutError) as exc:
        raise NotYet(f"Kafka at {address} did not do what was asked ({type(exc).__name__}); check it") from exc


def record_of(message: Any) -> Record:
    """Kafka counts milliseconds."""
    return Record(
        message.topic,
        message.partition,
        message.offset,
        message.timestamp * 1000,
        message.key or b"",
        message.value or b"",
        tuple(message.headers),
    )


def behind(client: Any, delivered: Mapping[tuple[str, int], int]) -> int:
    """Records that stand in the log behind what was delivered, by what the broker told with its last answers. Of
    partitions from which nothing has come yet nothing is known. May be called in any thread."""
    total = 0
    for place, next_offset in list(delivered.items()):
        try:
            end = client.highwater(TopicPartition(*place))
        except (AssertionError, AttributeError, KafkaError):  # not ours any more, or no client
            continue
        total += max(0, (end or 0) - next_offset)
    return total


async def check_topics(client: Any, address: Address, topics: Iterable[TopicInfo]) -> None:
    """Raises Unavailable where a topic is missing, has other partitions than declared, or a partition no leader."""
    async with explained(address), asyncio.timeout(CONNECT_S):
        cluster = await client.fetch_all_metadata()
    found = {t.name: sorted(cluster.partitions_for_topic(t.name) or ()) for t in topics}
    apply = f"type: parlance topics apply --bus {address}"
    if address.tls is not None:
        apply += f"; or infra/access.yaml gives {address.tls.cert.stem} no right to it"
    missing = [name for name, numbers in found.items() if not numbers]
    if missing:
        raise NotYet(f"Kafka at {address} has no topic {', '.join(sorted(missing))}; {apply}")
    for info in topics:
        if len(found[info.name]) != info.partitions:
            raise Unavailable(
                f"topic {info.name} has {len(found[info.name])} partitions at {address}, but {info.partitions} are "
                "declared: a session would be split; see what parlance topics apply says"
            )
    _check_leaders(cluster, address, found)


def _check_leaders(cluster: Any, address: Address, found: Mapping[str, list[int]]) -> None:
    for name, numbers in found.items():
        led = cluster.available_partitions_for_topic(name) or set()
        if set(numbers) - set(led):
            raise NotYet(f"topic {name} has partitions without a leader at {address}: wait for its brokers")
