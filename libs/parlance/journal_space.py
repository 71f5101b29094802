"""Room on the disk. A full disk also stops what would make room (trimming, checkpoints), so a ballast file is kept
that is freed then."""

import contextlib
import os
import shutil
from pathlib import Path

import apsw

BALLAST_BYTES = 8 << 20
# Below it the ballast is not made again, and the disk counts as still full.
ROOM_BYTES = 2 * BALLAST_BYTES
# Below it the log warns.
LOW_BYTES = 256 << 20


class Ballast:
    """8 MB beside the journal, held back for the day the disk is full."""

    def __init__(self, journal: Path) -> None:
        self._path = journal.with_name(journal.stem + ".ballast")

    def free(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def keep(self) -> None:
        """Makes the file where it is missing and there is room for it. Takes some milliseconds."""
        if self._path.exists() or self._room() < ROOM_BYTES + BALLAST_BYTES:
            return
        made = self._path.with_suffix(".ballast-new")
        try:
            with made.open("wb") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, BALLAST_BYTES)
                else:
                    file.write(os.urandom(BALLAST_BYTES))
            made.replace(self._path)
        except OSError:
            made.unlink(missing_ok=True)

    def check_room(self) -> None:
        """Raises apsw.FullError where there is too little to go on."""
        if self._room() < ROOM_BYTES:
            raise apsw.FullError("no room")

    def low(self) -> bool:
        return self._room() < LOW_BYTES

    def _room(self) -> int:
        return shutil.disk_usage(self._path.parent).free
