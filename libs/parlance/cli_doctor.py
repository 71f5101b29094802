"""`parlance doctor`: what is here, what is missing, what to do."""

import asyncio
import shutil
import socket
import sys
from dataclasses import dataclass
from typing import Any

from parlance import clock, models
from parlance.bus import Bus, topic_name
from parlance.cli_player import PROGRAMS
from parlance.config import Config
from parlance.errors import ParlanceError
from parlance.events import topic_of
from parlance.v1.session_pb2 import SessionEvent

_FREE_MB = 500
_BEHIND_US = 5_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    # "good", "warn" or "bad"
    state: str
    what: str
    told: str

    def as_json(self) -> dict[str, Any]:
        return {"state": self.state, "what": self.what, "told": self.told}


async def examine(config: Config) -> list[Finding]:
    return [
        Finding("good", "python", sys.version.split()[0]),
        _home(config),
        *_ports(config),
        *await asyncio.to_thread(_models, config),
        await asyncio.to_thread(_journal, config),
        *([await _kafka(config)] if config.bus else []),
        _program("flite", "the fallback voice; install the package 'flite'"),
        _player(),
    ]


def _home(config: Config) -> Finding:
    at = config.home
    while not at.exists():
        at = at.parent
    free = shutil.disk_usage(at).free // 2**20
    state = "good" if free > _FREE_MB else "bad"
    return Finding(state, "home", f"{config.home}, {free} MB free" + ("" if state == "good" else "; make room"))


def _ports(config: Config) -> list[Finding]:
    found = []
    for name, port in (("PARLANCE_GRPC_PORT", config.grpc_port), ("PARLANCE_HTTP_PORT", config.http_port)):
        with socket.socket() as probe:
            taken = probe.connect_ex(("127.0.0.1", port)) == 0
        told = f"in use: a running platform, or set {name}" if taken else "free: nothing is running"
        found.append(Finding("warn" if taken else "good", f"port {port}", told))
    return found


def _models(config: Config) -> list[Finding]:
    found = []
    for name in models.names():
        try:
            found.append(Finding("good", f"model {name}", str(models.locate(name, config.home))))
        except ParlanceError as exc:
            found.append(Finding("warn", f"model {name}", exc.message))
    return found


def _journal(config: Config) -> Finding:
    import apsw

    if not config.journal.exists():
        return Finding("good", "journal", "none yet; made at the first start")
    try:
        db = apsw.Connection(str(config.journal), flags=apsw.SQLITE_OPEN_READONLY)
        said = str(next(iter(db.execute("PRAGMA quick_check")))[0])
        db.close()
    except apsw.Error as exc:
        said = str(exc)
    if said == "ok":
        return Finding("good", "journal", f"{config.journal}, {config.journal.stat().st_size // 2**20} MB, sound")
    return Finding("bad", "journal", f"{config.journal} is damaged ({said}); move it away, or restore your backup")


async def _kafka(config: Config) -> Finding:
    from parlance.bus_choice import for_looking
    from parlance.events import declared

    try:
        bus = for_looking(config)
        bus.declare(declared())
        await bus.start()
        behind_us = await behind(bus)
        await bus.stop()
    except ParlanceError as exc:
        return Finding("bad", "kafka", exc.message)
    if behind_us > _BEHIND_US:
        told = (
            f"this machine's clock is {behind_us / 1e6:.0f} s or more behind that of {config.bus}; set it right (NTP)"
        )
        return Finding("warn", "kafka", told)
    return Finding("good", "kafka", f"{config.bus} answers and has the topics that are declared")


async def behind(bus: Bus) -> int:
    """Microseconds by which the newest record of those that open turns was stamped after now. How far this clock is
    ahead no record tells."""
    newest = 0
    for partition in range(topic_of(SessionEvent).partitions):
        end = await bus.end(topic_name(SessionEvent), partition)
        for record in await bus.read(topic_name(SessionEvent), partition, max(0, end - 1), 1):
            newest = max(newest, record.ts_us)
    return max(0, newest - clock.now_us())


def _player() -> Finding:
    at = next((at for name in PROGRAMS if (at := shutil.which(name))), "")
    needed = f"plays replies at the command line; install one of {', '.join(PROGRAMS)}"
    return Finding("good" if at else "warn", "player", at or needed)


def _program(name: str, use: str) -> Finding:
    at = shutil.which(name)
    return Finding("good" if at else "warn", name, at or use)
