"""What is written to a connection that was reset: Kafka's client is told so in words that it knows, in any loop."""

import asyncio
import socket
import struct
from typing import Any

import pytest
import uvloop

pytest.importorskip("aiokafka")

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from parlance import kafka_lost

_RESET = struct.pack("ii", 1, 0)
_TICKS = 20


async def _reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


async def _written_in_each_tick() -> list[BaseException]:
    """What is raised by sends in the ticks after a reset; nobody has seen the reset yet."""
    server = await asyncio.start_server(_reset, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    conn: Any = AIOKafkaConnection("127.0.0.1", port)
    conn._reader, conn._writer = await asyncio.open_connection("127.0.0.1", port)
    conn._versions, conn._read_task = {3: (0, 5)}, asyncio.get_running_loop().create_future()
    raised: list[BaseException] = []
    for _ in range(_TICKS):
        try:
            conn.send(MetadataRequest([])).close()
        except Exception as exc:
            raised.append(exc)
        await asyncio.sleep(0)
    conn.close()
    server.close()
    return raised


@pytest.mark.filterwarnings("ignore:coroutine")
def test_a_reset_connection_is_a_lost_one() -> None:
    raised = uvloop.run(_written_in_each_tick())
    assert raised and {type(exc) for exc in raised} == {KafkaConnectionError}
    assert "lost" in str(raised[0])


async def test_a_client_whose_connections_are_closed_while_its_metadata_task_is_dead_is_closed_all_the_same() -> None:
    class Inner:
        _sync_task: Any = None

    class Client:
        client = Inner()

    async def died() -> None:
        raise IndexError("nobody has foreseen it")

    task = asyncio.get_running_loop().create_task(died())
    Client.client._sync_task = task
    kafka_lost.bury(Client())
    assert Client.client._sync_task is task, "it lives"
    assert kafka_lost.died(Client()) == ""
    await asyncio.wait([task])
    assert kafka_lost.died(Client()) == "its client's sync_task has ended: IndexError('nobody has foreseen it')"
    kafka_lost.bury(Client())
    assert Client.client._sync_task is None
