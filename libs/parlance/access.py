"""Who may touch what: infra/access.yaml, read and checked.

What is not written there is refused. A wrong manifest is an error before anything is made from it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from parlance.errors import InvalidRequest, PermissionDenied
from parlance.events import TOPICS
from parlance.rpc import descriptor

# Of this checkout, or of the image made of it.
MANIFEST = Path(__file__).parents[2] / "infra/access.yaml"
# The only ones that have providers to reach.
_OUTSIDE = frozenset({"actions", "llm", "speech", "tts"})
# What the protos call the producer of control.v1: no service, but who acts for whoever runs the stack.
_OPERATORS = "operators"
# Who plays traffic in, beside the producers, and only where a stack is marked for it.
_REHEARSED = frozenset({"session.v1", "speech.v1"})
_NAME = re.compile(r"[a-z][a-z0-9.-]*")
_DEAD = re.compile(r"([a-z]+)\.dead\.v1")


@dataclass(frozen=True, slots=True)
class Entry:
    """What one certificate may do; the comments at the head of infra/access.yaml say what each field means."""

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    calls: frozenset[str] = frozenset()
    serves: str = ""
    database: str = ""
    edge: bool = False
    outside: bool = False
    emulated: bool = False
    administers: bool = False
    only_in_rehearsal: bool = False

    @property
    def topics(self) -> frozenset[str]:
        return self.reads | self.writes


_OF_CLIENTS = frozenset({"reads", "writes", "calls", "administers", "only_in_rehearsal"})
_OF_SERVICES = frozenset(f.name for f in fields(Entry)) - {"administers", "only_in_rehearsal"}
_NOTHING = Entry()


@dataclass(frozen=True, slots=True)
class Access:
    """By name. `services` are processes of the stack, `clients` whoever comes to it with a certificate."""

    services: Mapping[str, Entry]
    clients: Mapping[str, Entry]
    operators: frozenset[str]

    @property
    def entries(self) -> dict[str, Entry]:
        return {**self.services, **self.clients}

    @property
    def topics(self) -> frozenset[str]:
        """All topics that somebody may touch: those of the protos, and the dead letters of stages."""
        return frozenset().union(*(e.topics for e in self.entries.values())) | TOPICS.keys()

    def check_call(self, name: str, method: str) -> None:
        """Raises PermissionDenied where whoever has the certificate of `name` may not call `method` ("Llm.Answer")."""
        if method not in self.entries.get(name, _NOTHING).calls:
            who = f"'{name}'" if name in self.entries else f"'{name}', whom the manifest does not name,"
            raise PermissionDenied(f"{who} may not call {method}: infra/access.yaml says who may")


def load(path: Path = MANIFEST, *, rehearsal: bool = False) -> Access:
    """The manifest. `rehearsal`: of a stack that is marked for it; elsewhere what is only for one may do nothing.

    Raises InvalidRequest, which names the file and the entry, where it cannot be read or says what makes no sense."""
    try:
        return _access(_yaml(path), rehearsal)
    except InvalidRequest as exc:
        raise InvalidRequest(f"{path}: {exc.message}") from None


def _yaml(path: Path) -> Any:
    try:
        import yaml  # only who has certificates needs it
    except ImportError as exc:
        raise InvalidRequest("cannot be read without PyYAML; type: pip install 'parlance-voice[stack]'") from exc
    try:
        return yaml.safe_load(path.read_text())
    except OSError as exc:
        raise InvalidRequest(f"cannot be read ({exc.strerror})") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"is no YAML: {' '.join(str(exc).split())}") from exc


def _access(said: Any, rehearsal: bool) -> Access:
    keys = {"operators", "services", "clients"}
    if not isinstance(said, dict) or set(said) != keys:
        raise InvalidRequest("its keys are operators, services and clients, all three of them")
    services = _entries("services", said["services"], _OF_SERVICES)
    clients = _entries("clients", said["clients"], _OF_CLIENTS)
    if both := services.keys() & clients.keys():
        raise InvalidRequest(f"{', '.join(sorted(both))}: either a service or a client")
    access = Access(services, clients, _names("operators", said["operators"]))
    for name, entry in access.entries.items():
        _check(access, name, entry)
    hidden = {name for name, entry in clients.items() if entry.only_in_rehearsal and not rehearsal}
    return Access(services, {n: _NOTHING if n in hidden else e for n, e in clients.items()}, access.operators)


def _entries(section: str, said: Any, allowed: frozenset[str]) -> dict[str, Entry]:
    if not isinstance(said, dict) or not said:
        raise InvalidRequest(f"{section} is a table of names")
    return {str(name): _entry(f"{section}.{name}", name, entry, allowed) for name, entry in said.items()}


def _entry(place: str, name: Any, said: Any, allowed: frozenset[str]) -> Entry:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidRequest(f"{place}: a name is lower-case letters, digits, dots and dashes")
    if not isinstance(said, dict):
        raise InvalidRequest(f"{place}: is a table; {{}} where it may do nothing")
    if unknown := sorted(str(key) for key in said.keys() - allowed):
        raise InvalidRequest(f"{place}: has no '{unknown[0]}'; it has {', '.join(sorted(allowed))}")
    return Entry(**{key: _value(f"{place}.{key}", key, value) for key, value in said.items()})


def _value(place: str, key: str, said: Any) -> Any:
    kind = type(getattr(_NOTHING, key))
    if kind is frozenset:
        return _names(place, said)
    if not isinstance(said, kind):
        raise InvalidRequest(f"{place}: is {'true or false' if kind is bool else 'a name'}, not {said!r}")
    return said


def _names(place: str, said: Any) -> frozenset[str]:
    """A list of names; long ones may be several lists in one."""
    flat: list[Any] = []
    for item in said if isinstance(said, list) else [None]:
        flat += item if isinstance(item, list) else [item]
    if not all(isinstance(item, str) for item in flat):
        raise InvalidRequest(f"{place}: is a list of names, not {said!r}")
    if twice := sorted({name for name in flat if flat.count(name) > 1}):
        raise InvalidRequest(f"{place}: names {twice[0]} twice")
    return frozenset(flat)


def _check(access: Access, name: str, entry: Entry) -> None:
    for topic in sorted(entry.topics):
        if not _exists(access, topic):
            raise InvalidRequest(f"{name}: no message of the protos declares the topic {topic}")
    for topic in sorted(entry.writes):
        if name not in producers(access, topic):
            raise InvalidRequest(
                f"{name}: {topic} is written by {' and '.join(sorted(producers(access, topic)))} alone"
            )
    if unknown := sorted(entry.calls - methods()):
        raise InvalidRequest(f"{name}: there is no gRPC method {unknown[0]}; there are {', '.join(sorted(methods()))}")
    if entry.serves and entry.serves not in SERVICES:
        raise InvalidRequest(f"{name}: serves one of {', '.join(SERVICES)}, not {entry.serves}")
    _check_networks(name, entry)


def _check_networks(name: str, entry: Entry) -> None:
    if entry.outside and name not in _OUTSIDE:
        raise InvalidRequest(f"{name}: only {', '.join(sorted(_OUTSIDE))} may reach outside")
    if entry.emulated and not entry.outside:
        raise InvalidRequest(f"{name}: emulated is for those that may reach outside")


def _exists(access: Access, topic: str) -> bool:
    found = _DEAD.fullmatch(topic)
    return topic in TOPICS or (found is not None and found[1] in access.services)


def producers(access: Access, topic: str) -> frozenset[str]:
    """Who may write to a topic at most, by the protos' options."""
    found = _DEAD.fullmatch(topic)
    producer = found[1] if found else TOPICS[topic].producer
    named = access.operators if producer == _OPERATORS else frozenset({producer})
    rehearsing = (n for n, e in access.clients.items() if e.only_in_rehearsal and topic in _REHEARSED)
    return named.union(rehearsing)


SERVICES = ("Actions", "Context", "Gateway", "Ledger", "Llm", "Speech", "Tts")


@cache
def methods() -> frozenset[str]:
    """All gRPC methods, such as "Llm.Answer"."""
    return frozenset(f"{name}.{method.name}" for name in SERVICES for method in descriptor(name).methods)
