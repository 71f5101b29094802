"""Locks between processes: an flock on a file. The system lets go of it when the process dies, however it dies.

The file is never deleted: who holds a deleted file's lock holds nothing.
"""

import contextlib
import fcntl
import os
from collections.abc import Generator
from pathlib import Path

from parlance.errors import Unavailable


class HomeLock:
    """The exclusive lock on `path`; two of them in one process exclude each other too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def acquire(self) -> None:
        """Takes the lock at once or raises Unavailable, which says who holds it."""
        fd = self._open()
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
            os.close(fd)
            raise Unavailable(self._taken(holder)) from exc
        self._fd = fd
        # Only for the message of another: a full disk may refuse it.
        with contextlib.suppress(OSError):
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)

    def _open(self) -> int:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise Unavailable(f"{self._path.parent} cannot be used ({exc.strerror}): set PARLANCE_HOME") from exc

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _taken(self, holder: str) -> str:
        who = f" (process {holder})" if holder.isdigit() else ""
        return (
            f"another `parlance run`{who} uses the home {self._path.parent}: stop it first, "
            "or start this one with PARLANCE_HOME set to another directory"
        )


@contextlib.contextmanager
def locked(path: Path) -> Generator[None, None, None]:
    """Waits for the exclusive lock on `path`, for what takes milliseconds. Raises Unavailable where the folder cannot
    be used."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise Unavailable(f"{path.parent} cannot be used ({exc.strerror}): set PARLANCE_HOME") from exc
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
