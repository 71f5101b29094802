"""A TCP proxy: what passes through it can be held back, delayed or cut, for all who connect or for one process."""

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_CHUNK = 64 << 10
# Linger for no time: what was not sent is thrown away, and the peer is told so.
_RESET = struct.pack("ii", 1, 0)

Pids = Callable[[], Mapping[int, str]]
"""Process id -> name of those who may connect."""


@dataclass(eq=False)
class _Link:
    """One connection, both of its ends."""

    name: str
    near: asyncio.StreamWriter
    far: asyncio.StreamWriter

    def cut(self) -> None:
        """Both ends are reset; a plain close would look like an orderly end."""
        for writer in (self.near, self.far):
            socket_ = writer.get_extra_info("socket")
            if not writer.transport.is_closing() and socket_ is not None:
                socket_.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


@dataclass
class Proxy:
    """Listens on 127.0.0.1:`port` and passes everything on to 127.0.0.1:`target`. What is done to it is done to the
    connections of one name, or with "" to all."""

    port: int
    target: int
    pids: Pids = dict
    _links: set[_Link] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _held: set[str] = field(default_factory=set)
    _delays: dict[str, float] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)

    async def stop(self) -> None:
        self.heal()
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def cut(self, name: str = "") -> int:
        """Resets the connections that are open; how many there were. New ones pass."""
        found = [link for link in self._links if name in ("", link.name)]
        for link in found:
            link.cut()
        return len(found)

    def hold(self, name: str = "") -> None:
        """A partition: nothing passes, nothing is closed, until `heal`."""
        self._held.add(name)

    def delay(self, seconds: float, name: str = "") -> None:
        """Each piece passes so much later."""
        self._delays[name] = seconds

    def heal(self) -> None:
        self._held.clear()
        self._delays.clear()
        self._changed.set()
        self._changed = asyncio.Event()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task: asyncio.Task[None] | None = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except asyncio.CancelledError:  # by `stop`; asyncio would complain
            writer.transport.abort()
        finally:
            self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = owner(writer.get_extra_info("peername")[1], self.pids())
        await self._passable(name)
        try:
            far_reader, far = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(name, writer, far)
        self._links.add(link)
        try:
            await asyncio.gather(self._pass(link, reader, far), self._pass(link, far_reader, writer))
        except OSError:
            link.cut()
        finally:
            self._links.discard(link)
            writer.close()
            far.close()

    async def _pass(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK):
            await self._passable(link.name)
            writer.write(chunk)
            await writer.drain()
        with suppress(OSError, RuntimeError):
            writer.write_eof()

    async def _passable(self, name: str) -> None:
        delay = max(self._delays.get("", 0.0), self._delays.get(name, 0.0))
        if delay:
            await asyncio.sleep(delay)
        while "" in self._held or name in self._held:
            await self._changed.wait()


def owner(port: int, pids: Mapping[int, str]) -> str:
    """The name of the process that holds the local end of a connection from 127.0.0.1:`port`; "" where none does, or
    where the system (Linux alone does) does not tell."""
    inode = _inode(port)
    for pid, name in pids.items() if inode else ():
        with suppress(OSError):
            for number in os.listdir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    if os.readlink(f"/proc/{pid}/fd/{number}") == f"socket:[{inode}]":
                        return name
    return ""


def _inode(port: int) -> str:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                parts = line.split()
                if parts[1].endswith(f":{port:04X}") and parts[9] != "0":
                    return parts[9]
    return ""
