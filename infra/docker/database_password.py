"""Makes the database's password, once: a random one, in the volume that PostgreSQL and the services share.

python database_password.py FOLDER
"""

import os
import sys
from pathlib import Path


def make(folder: Path) -> bool:
    """Whether one was made: one that is there stays, for the database was made with it."""
    target = folder / "password"
    if target.exists():
        return False
    part = folder / ".password.part"
    # For everyone who sees the volume: they run as different users, and only they mount it.
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o444), "w") as file:
        file.write(os.urandom(24).hex())
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, target)
    return True


if __name__ == "__main__":
    print("the database's password is", "made" if make(Path(sys.argv[1])) else "here")
