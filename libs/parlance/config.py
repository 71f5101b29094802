"""Settings, read once from the environment. Everything else gets them as arguments."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from parlance import clock
from parlance.errors import InvalidRequest

_LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Config:
    # Where data lives.
    home: Path
    # "" is the embedded journal in `home`; else kafka://HOST:PORT.
    bus: str
    grpc_port: int
    http_port: int
    user_id: str
    time_zone: str
    # "info", "debug", ...
    log_level: str

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def journal(self) -> Path:
        return self.home / "journal.db"

    @property
    def ledger(self) -> Path:
        return self.home / "ledger.db"

    @property
    def rows(self) -> Path:
        """Where the rows and the outbox are, when the events are on Kafka."""
        return self.home / "rows.db"

    @property
    def keys(self) -> Path:
        return self.home / "keys.json"


def load() -> Config:
    """Raises InvalidRequest where a setting makes no sense."""
    env = os.environ
    home = env.get("PARLANCE_HOME") or platformdirs.user_data_dir("parlance")
    return Config(
        home=Path(home).expanduser(),
        bus=env.get("PARLANCE_BUS", ""),
        grpc_port=_port(env.get("PARLANCE_GRPC_PORT"), "PARLANCE_GRPC_PORT", 50051),
        http_port=_port(env.get("PARLANCE_HTTP_PORT"), "PARLANCE_HTTP_PORT", 8080),
        user_id=env.get("PARLANCE_USER", "owner"),
        time_zone=_time_zone(env.get("PARLANCE_TIME_ZONE")),
        log_level=_log_level(env.get("PARLANCE_LOG") or "warning"),
    )


def wants_details() -> bool:
    """Whether whoever set PARLANCE_LOG=debug is to see where an error comes from."""
    return os.environ.get("PARLANCE_LOG", "").lower() == "debug"


def secret(name: str) -> str:
    """The value of a variable that a route's `api_key_env` names; "" where it is not set."""
    return os.environ.get(name, "") if name else ""


def database() -> tuple[str, str]:
    """postgresql://..., and the file with its password; each "" where it is not set."""
    return os.environ.get("PARLANCE_DATABASE", ""), os.environ.get("PARLANCE_DATABASE_PASSWORD_FILE", "")


def certificates() -> Path | None:
    """The folder with ca.crt, NAME.crt and NAME.key."""
    folder = os.environ.get("PARLANCE_TLS", "")
    return Path(folder).expanduser() if folder else None


def _port(value: str | None, name: str, default: int) -> int:
    if not value:
        return default
    if not value.isdigit() or not 0 < int(value) < 65536:
        raise InvalidRequest(f"{name} must be a port number, not '{value}'")
    return int(value)


def _time_zone(name: str | None) -> str:
    if name and not clock.known_time_zone(name):
        raise InvalidRequest(f"'{name}' is no time zone: set PARLANCE_TIME_ZONE to an IANA name, such as Europe/Madrid")
    return name or _system_time_zone()


def _log_level(name: str) -> str:
    if name.lower() not in _LOG_LEVELS:
        raise InvalidRequest(f"PARLANCE_LOG is one of {', '.join(_LOG_LEVELS)}, not '{name}'")
    return name.lower()


def _system_time_zone() -> str:
    """The machine's IANA time zone; UTC where it does not say."""
    link = Path("/etc/localtime")
    name = os.environ.get("TZ", "").lstrip(":")
    if not name and link.is_symlink() and "zoneinfo/" in (target := str(link.resolve())):
        name = target.split("zoneinfo/", 1)[1]
    if name and clock.known_time_zone(name):
        return name
    return "UTC" if time.timezone == 0 else f"Etc/GMT{time.timezone // 3600:+d}"
