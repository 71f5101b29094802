"""Hands each container its own secrets: its certificate and key, and the password of its database, made once.

    python infra/docker/hand_out.py FOLDER

FOLDER/authority is what infra/local/certificates.py made, and stays with this job. Every other folder in it is the
volume of the container of that name, and nobody else's: what is in a volume may be read by whoever mounts it, for
Kafka and PostgreSQL run as other users than ours.
"""

import os
import sys
from pathlib import Path

from parlance.access import load

KEPT, DATABASE = "authority", "postgres"


def hand_out(folder: Path, databases: list[str]) -> list[str]:
    """The names that got something. `databases`: whoever has one."""
    kept = folder / KEPT
    passwords = {name: _password(kept / f"{name}.password") for name in (*databases, DATABASE)}
    names = sorted(path.name for path in folder.iterdir() if path.name != KEPT)
    for name in names:
        for file in (kept / "ca.crt", *sorted(kept.glob(f"{name}.*"))):
            if file.suffix != ".password":
                _write(folder / name / file.name, file.read_bytes())
        if name in passwords:
            _write(folder / name / "database-password", passwords[name])
    for name in databases:
        _write(folder / DATABASE / f"{name}.password", passwords[name])
    return names


def _password(path: Path) -> bytes:
    """One that is there stays: the database was made with it."""
    if not path.exists():
        _write(path, os.urandom(24).hex().encode(), 0o400)
    return path.read_bytes()


def _write(path: Path, content: bytes, mode: int = 0o444) -> None:
    """Whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def main() -> None:
    databases = [name for name, service in load().services.items() if service.database]
    print("secrets are with", ", ".join(hand_out(Path(sys.argv[1]), databases)))


if __name__ == "__main__":
    main()
