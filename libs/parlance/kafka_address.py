"""Where Kafka is, how patient this process is with it, and what is said where it does not answer."""

import re
from dataclasses import dataclass

from parlance.errors import InvalidRequest, NotYet, PermissionDenied
from parlance.rpc import Credentials

SCHEME, TLS_SCHEME = "kafka://", "kafka+tls://"
# Stands before the names of all consumer groups: the cluster may be other people's too.
GROUP_PREFIX = "parlance."
# What one event may take with its key and headers: under Kafka's own 1 MiB, which counts the batch around it too.
EVENT_BYTES = 1_000_000
# What is kept in memory while the broker does not answer; beyond either, `append` refuses.
HELD_EVENTS = 10_000
HELD_BYTES = 64 << 20
# A request without an answer for so long: the connection is made anew.
REQUEST_S = 10.0
# Longer than a request: the client then closes by itself what it has opened.
CONNECT_S = 15.0
# How long `publish` waits for a broker that is away; an outage of a minute, and its restart, fit.
PUBLISH_S = 75.0
# How long `stop` waits for what is not written yet.
STOP_S = 10.0
# How long a client waits to say goodbye to a broker that may be away.
LEAVE_S = 3.0
RETRY_S = 0.5

_SERVER = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})")


@dataclass(frozen=True, slots=True)
class Address:
    """`servers`: "host:port" of some of the brokers; the others are learned from them. `tls`: what we show them and
    check theirs against."""

    servers: tuple[str, ...]
    tls: Credentials | None = None

    def __str__(self) -> str:
        return (TLS_SCHEME if self.tls else SCHEME) + ",".join(self.servers)

    def absent(self) -> NotYet:
        return NotYet(
            f"no Kafka broker answers at {self}: start one (here: make kafka), or set PARLANCE_BUS to where it is"
        )

    def forbidden(self) -> PermissionDenied:
        who = self.tls.cert.stem if self.tls else "whoever has no certificate"
        return PermissionDenied(
            f"Kafka at {self} gives {who} no rights: see infra/access.yaml, then type: "
            f"parlance topics apply --bus {self} --access infra/access.yaml"
        )

    def silent(self, seconds: float, waiting: int) -> str:
        kept = f"{waiting} events wait here and are sent when it is back" if waiting else "work goes on when it is back"
        return f"Kafka at {self} has not answered for {seconds:.0f} s: {kept}; check the broker"


def parse(text: str, tls: Credentials | None = None) -> Address:
    """The address in a text such as kafka://127.0.0.1:19092 or kafka+tls://one:9092,two:9092, which needs `tls`.
    Raises InvalidRequest."""
    scheme = TLS_SCHEME if text.startswith(TLS_SCHEME) else SCHEME
    servers = text.removeprefix(scheme).rstrip("/").split(",")
    for server in servers:
        found = _SERVER.fullmatch(server)
        if not text.startswith(scheme) or found is None or not 0 < int(found[1]) < 65536:
            raise InvalidRequest(
                f"'{text}' is no address of Kafka: write kafka://HOST:PORT, such as {SCHEME}127.0.0.1:19092, or "
                f"{TLS_SCHEME}HOST:PORT with certificates"
            )
    if scheme == SCHEME:
        return Address(tuple(servers))
    if tls is None:
        raise InvalidRequest(f"{text} needs certificates: set PARLANCE_TLS to the folder of 'make certificates'")
    return Address(tuple(servers), tls)
