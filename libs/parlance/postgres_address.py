"""Where PostgreSQL is, how patient this process is with it, and what is said where it does not answer."""

from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from parlance.errors import InvalidRequest, NotYet, Unavailable

SCHEME = "postgresql://"
OLDEST = 15
# How long what was asked waits for a database that is away; beyond it, whoever waits is told.
HELD_S = 60.0
# What waits in memory for the database or the broker; beyond it, saves and appends are refused.
HELD_LIMIT = 10_000
CONNECT_S = 5
RETRY_S = 0.5
# The first attempt after a connection was lost comes sooner.
SOON_S = 0.05
# So long may a transaction take before the database counts as silent.
SILENT_S = 3.0

_LOCKED_OUT = ("password", "no pg_hba.conf entry", "authentication")


@dataclass(frozen=True, slots=True)
class Address:
    """`conninfo` holds the password; `shown` does not."""

    conninfo: str
    shown: str

    def __str__(self) -> str:
        return self.shown

    def connect(self, name: str) -> "psycopg.Connection[tuple[object, ...]]":
        """A connection in autocommit mode; `name` is how the server lists it. Raises psycopg.OperationalError."""
        return psycopg.connect(
            self.conninfo,
            autocommit=True,
            connect_timeout=CONNECT_S,
            application_name=name,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            tcp_user_timeout=10_000,
        )

    def unusable(self, exc: Exception) -> Unavailable:
        """Why it cannot be used, and what to do."""
        told = reason(exc)
        error: type[Unavailable]
        error, check = NotYet, "start it, or set PARLANCE_DATABASE to where it is"
        if any(word in told for word in _LOCKED_OUT):
            error, check = (
                Unavailable,
                "check the user in PARLANCE_DATABASE and the password there or in PARLANCE_DATABASE_PASSWORD_FILE",
            )
        elif "database" in told and "does not exist" in told:
            error, check = Unavailable, "make it (createdb), or name another one in PARLANCE_DATABASE"
        return error(f"PostgreSQL at {self} cannot be used ({told}): {check}")

    def silent(self, seconds: float) -> str:
        return (
            f"PostgreSQL at {self} has not answered for {seconds:.0f} s: what is saved waits up to {HELD_S:.0f} s; "
            "check the server that PARLANCE_DATABASE names"
        )


def reason(exc: Exception) -> str:
    """The server's own words, in one line. They hold no values of rows."""
    diag = getattr(exc, "diag", None)
    told = (diag.message_primary if diag is not None else None) or str(exc)
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    return " ".join(lines[0].split()) if lines else type(exc).__name__


def parse(text: str, password_file: str = "") -> Address:
    """The address in a text such as postgresql://parlance@127.0.0.1:5432/parlance. Raises InvalidRequest."""
    wanted = f"write {SCHEME}USER@HOST:PORT/NAME, such as {SCHEME}parlance@127.0.0.1:5432/parlance"
    if not text.startswith(SCHEME):
        raise InvalidRequest(f"PARLANCE_DATABASE is no address of PostgreSQL: {wanted}")
    try:
        parts = conninfo_to_dict(text)
    except psycopg.Error as exc:
        raise InvalidRequest(f"PARLANCE_DATABASE cannot be read as an address: {wanted}") from exc
    for name, what in (("user", "user"), ("host", "host"), ("dbname", "database")):
        if not parts.get(name):
            raise InvalidRequest(f"PARLANCE_DATABASE names no {what}: {wanted}")
    if password_file:
        parts["password"] = _password(password_file)
    shown = f"{SCHEME}{parts['user']}@{parts['host']}:{parts.get('port') or 5432}/{parts['dbname']}"
    return Address(make_conninfo("", **{k: v for k, v in parts.items() if v is not None}), shown)


def _password(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as exc:
        told = getattr(exc, "strerror", None) or "it is no text"
        raise InvalidRequest(f"PARLANCE_DATABASE_PASSWORD_FILE: {path} cannot be read ({told})") from exc
