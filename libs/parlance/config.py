"""Settings, read once from the environment. Everything else gets them as arguments."""

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from parlance import clock, secrets_file
from parlance import setting_values as values
from parlance.errors import InvalidRequest, Unavailable

_LOG_LEVELS = ("debug", "info", "warning", "error")
_KAFKA_CLIENTS = ("aiokafka", "librdkafka")

# Where each service listens when it runs in a process of its own and nothing else is set.
PORTS: Mapping[str, int] = {
    "gateway": 50051,
    "speech": 50052,
    "context": 50053,
    "llm": 50054,
    "actions": 50055,
    "tts": 50056,
    "dialogue": 50057,
    "intent": 50058,
    "ledger": 50059,
}
# In the home, where PARLANCE_SECRETS_FILE says nothing else.
SECRETS = "secrets.env"
_SLOTS = 4


@dataclass(frozen=True, slots=True)
class Config:
    # Where data lives.
    home: Path
    # "" is the embedded journal in `home`; else kafka://HOST:PORT, or kafka+tls:// with `tls`.
    bus: str
    grpc_port: int
    http_port: int
    user_id: str
    time_zone: str
    # "info", "debug", ...
    log_level: str
    # Of a service in a process of its own: HOST:PORT that it listens on; "" is its port of PORTS on 127.0.0.1.
    listen: str = ""
    # Where the others are: "Llm" -> "HOST:PORT,HOST:PORT" of its replicas.
    addresses: Mapping[str, str] = field(default_factory=dict)
    # The folder of ca.crt, NAME.crt and NAME.key: mutual TLS between services; None: none.
    tls: Path | None = None
    # The partition of reply.v1 that this gateway reads.
    gateway_slot: int = 0
    http_host: str = "127.0.0.1"
    # Where Prometheus finds /metrics; "": nowhere.
    metrics: str = ""
    # Where the ledger sends the spans of turns that have ended (OTLP over HTTP); "": nowhere.
    otlp: str = ""
    # "": rows are in SQLite in `home`; else postgresql://USER@HOST:PORT/NAME. Its password may stand in a file.
    database: str = ""
    database_password_file: str = ""
    # Whether load may be put straight on the bus: for stacks that nobody lives with.
    rehearsal: bool = False
    # How long a service in a process of its own waits at its start for a broker or a database that is not there yet.
    start_wait_s: float = 60.0
    # What carries the records of Kafka: "aiokafka" or "librdkafka".
    kafka_client: str = "aiokafka"
    # As whom the assistant speaks: its name, a file that tells a language model how to speak, and whether whoever
    # answers is said to be it.
    name: str = ""
    persona: Path | None = None
    own_brand: bool = False
    # Of a command line: the device that it is; "": each command is one of its own.
    device: str = ""
    # A catalogue of language models of one's own, over the shipped one.
    catalogue: Path | None = None

    @property
    def address(self) -> str:
        """Where the process with the gateway in it listens."""
        return self.listen or f"127.0.0.1:{self.grpc_port}"

    @property
    def gateways(self) -> str:
        """Where a client finds it: one address, or several, HOST:PORT,HOST:PORT."""
        given = self.addresses.get("Gateway", "")
        return given if given != f"127.0.0.1:{PORTS['gateway']}" and given else f"127.0.0.1:{self.grpc_port}"

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
    http = values.address(env.get("PARLANCE_HTTP_LISTEN"), "PARLANCE_HTTP_LISTEN")
    return Config(
        home=_home(),
        bus=env.get("PARLANCE_BUS", ""),
        database=env.get("PARLANCE_DATABASE", ""),
        database_password_file=env.get("PARLANCE_DATABASE_PASSWORD_FILE", ""),
        grpc_port=values.port(env.get("PARLANCE_GRPC_PORT"), "PARLANCE_GRPC_PORT", 50051),
        http_port=values.port(http.rpartition(":")[2] or env.get("PARLANCE_HTTP_PORT"), "PARLANCE_HTTP_PORT", 8080),
        user_id=env.get("PARLANCE_USER", "owner"),
        time_zone=_time_zone(env.get("PARLANCE_TIME_ZONE")),
        log_level=values.one_of(env.get("PARLANCE_LOG") or "warning", "PARLANCE_LOG", _LOG_LEVELS),
        listen=values.address(env.get("PARLANCE_LISTEN"), "PARLANCE_LISTEN"),
        addresses=_addresses(env),
        tls=values.folder(env.get("PARLANCE_TLS"), "PARLANCE_TLS"),
        gateway_slot=_slot(env.get("PARLANCE_GATEWAY_SLOT")),
        http_host=http.rpartition(":")[0] or "127.0.0.1",
        rehearsal=values.yes(env.get("PARLANCE_REHEARSAL"), "PARLANCE_REHEARSAL"),
        metrics=values.address(env.get("PARLANCE_METRICS"), "PARLANCE_METRICS"),
        start_wait_s=values.seconds(env.get("PARLANCE_START_WAIT_S"), "PARLANCE_START_WAIT_S", 60.0),
        otlp=values.url(env.get("PARLANCE_OTLP"), "PARLANCE_OTLP"),
        catalogue=values.file(env.get("PARLANCE_CATALOGUE"), "PARLANCE_CATALOGUE"),
        kafka_client=values.one_of(
            env.get("PARLANCE_KAFKA_CLIENT") or "aiokafka", "PARLANCE_KAFKA_CLIENT", _KAFKA_CLIENTS
        ),
        device=env.get("PARLANCE_DEVICE", "").strip(),
        name=_name(env.get("PARLANCE_NAME")),
        persona=values.file(env.get("PARLANCE_PERSONA"), "PARLANCE_PERSONA"),
        own_brand=values.yes(env.get("PARLANCE_OWN_BRAND"), "PARLANCE_OWN_BRAND"),
    )


def wants_details() -> bool:
    """Whether whoever set PARLANCE_LOG=debug is to see where an error comes from."""
    return os.environ.get("PARLANCE_LOG", "").lower() == "debug"


def secret(name: str) -> str:
    """A key, or a vendor's address, by the name of its variable: from the environment, or from the file of secrets; ""
    where it is in neither. Raises InvalidRequest where others may read that file."""
    if not name or (value := os.environ.get(name, "")):
        return value if name else ""
    given = os.environ.get("PARLANCE_SECRETS_FILE")
    return secrets_file.read(Path(given).expanduser() if given else _home() / SECRETS).get(name, "")


def _home() -> Path:
    return Path(os.environ.get("PARLANCE_HOME") or platformdirs.user_data_dir("parlance")).expanduser()


def _addresses(env: Mapping[str, str]) -> dict[str, str]:
    """Where every service is asked: its replicas, or the place where it listens by itself."""
    made = {}
    for service, port in PORTS.items():
        name = f"PARLANCE_{service.upper()}_ADDRESS"
        given = [values.address(one.strip(), name) for one in env.get(name, "").split(",") if one.strip()]
        made[service.capitalize()] = ",".join(given) or f"127.0.0.1:{port}"
    return made


def _name(value: str | None) -> str:
    if value and not re.fullmatch(r"\w[\w .'-]{0,39}", value):
        raise InvalidRequest("PARLANCE_NAME is a name that can be spoken, of 40 characters at most, such as Nova")
    return value or ""


def _slot(value: str | None) -> int:
    if value and (not value.isdigit() or int(value) >= _SLOTS):
        raise InvalidRequest(f"PARLANCE_GATEWAY_SLOT must be a number from 0 to {_SLOTS - 1}, not '{value}'")
    return int(value or 0)


def _time_zone(name: str | None) -> str:
    if name and not clock.known_time_zone(name):
        raise InvalidRequest(f"'{name}' is no time zone: set PARLANCE_TIME_ZONE to an IANA name, such as Europe/Madrid")
    return name or _system_time_zone()


def _system_time_zone() -> str:
    """The machine's IANA time zone; UTC where it does not say."""
    link = Path("/etc/localtime")
    name = os.environ.get("TZ", "").lstrip(":")
    if not name and link.is_symlink() and "zoneinfo/" in (target := str(link.resolve())):
        name = target.split("zoneinfo/", 1)[1]
    if name and clock.known_time_zone(name):
        return name
    return "UTC" if time.timezone == 0 else f"Etc/GMT{time.timezone // 3600:+d}"


def make_home(config: Config) -> None:
    """Raises InvalidRequest where something else than a directory is there, Unavailable where none can be made."""
    try:
        config.home.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        error = InvalidRequest if isinstance(exc, FileExistsError | NotADirectoryError) else Unavailable
        raise error(f"{config.home} cannot be used ({exc.strerror}): set PARLANCE_HOME to a directory") from exc
