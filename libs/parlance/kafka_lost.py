"""Connections that are lost in a way that aiokafka does not expect, and tasks of its clients that have died of it.

uvloop raises RuntimeError for what is written to a connection that the broker reset a moment ago; asyncio does not, and
aiokafka catches OSError alone (its issue 1038). The task that wrote ends then, whatever it was for: a consumer without
it fetches nothing for ever, a producer learns of no leader, and nothing tells. Faust's clients are mended with ours,
for they are in a process that imports this.
"""

from asyncio import Task
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

# Of a client, its fetcher, its coordinator and its sender: each of them is to live as long as they do.
_TASKS = ("_sync_task", "_fetch_task", "_coordination_task", "_sender_task")

Send = Callable[..., Any]


def _as_lost(send: Send) -> Send:
    @wraps(send)
    def sent(self: Any, *args: Any, **more: Any) -> Any:
        try:
            return send(self, *args, **more)
        except RuntimeError as exc:
            self.close(reason=CloseReason.CONNECTION_BROKEN, exc=exc)
            raise KafkaConnectionError(f"the connection to {self.host}:{self.port} was lost") from exc

    return sent


AIOKafkaConnection.send = _as_lost(AIOKafkaConnection.send)


def died(client: Any) -> str:
    """What a task of a producer or consumer that was not closed has ended of; "" while it lives. It is of no more use
    then, and does not say so itself."""
    for name, task in _tasks(client):
        if task.done():
            why = "it was cancelled" if task.cancelled() else repr(task.exception())
            return f"its client's {name.strip('_')} has ended: {why}"
    return ""


def bury(client: Any) -> None:
    """Before the client is closed: what its metadata task died of would be raised there, and its connections kept."""
    inner = inner_of(client)
    task = inner._sync_task
    if task is not None and task.done() and not task.cancelled() and task.exception() is not None:
        inner._sync_task = None


def inner_of(client: Any) -> Any:
    """What holds the connections of a producer, a consumer or an admin client."""
    return client.client if hasattr(client, "client") else client._client


def _tasks(client: Any) -> Iterator[tuple[str, "Task[Any]"]]:
    parts = [getattr(client, name, None) for name in ("_fetcher", "_coordinator", "_sender")]
    for part in (inner_of(client), *parts):
        for name in _TASKS:
            if (task := getattr(part, name, None)) is not None:
                yield name, task
