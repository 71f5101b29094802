"""Free ports of this machine for what the tests start, given to one process of one test run alone."""

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import IO

# Below those that outgoing connections get: a client that looks for a dead server there may be connected to itself, and
# then the server cannot come back.
_FIRST, _BEYOND = 20_000, 32_000
# Locks end with the process that holds them, however it ends.
_held: dict[int, IO[str]] = {}


def free_port() -> int:
    """One whose neighbour, which the controller of a broker takes, is free too. It is nobody else's until this process
    ends: most are asked for before they are used, and what is killed comes back to its own."""
    while True:
        port = random.randrange(_FIRST, _BEYOND, 2)
        if port in _held or not _hold(port):
            continue
        if _is_free(port) and _is_free(port + 1):
            return port


def _hold(port: int) -> bool:
    folder = Path(tempfile.gettempdir()) / f"parlance-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    lock = (folder / str(port)).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return False
    _held[port] = lock
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False
