"""Kafka's access rules that the manifest amounts to, as data. A client is `User:CN=NAME`, by its certificate."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from parlance.access import Access, Entry
from parlance.kafka_address import GROUP_PREFIX


class Kind(IntEnum):
    """What a rule is about, by Kafka's codes."""

    TOPIC = 2
    GROUP = 3
    CLUSTER = 4


class Pattern(IntEnum):
    LITERAL = 3
    PREFIXED = 4


class Operation(IntEnum):
    """READ, WRITE and ALTER hold DESCRIBE in them, ALTER_CONFIGS holds DESCRIBE_CONFIGS."""

    ALL = 2
    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    ALTER = 7
    DESCRIBE = 8
    CLUSTER_ACTION = 9
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11
    IDEMPOTENT_WRITE = 12


ALLOW, EVERYWHERE = 3, "*"
_CLUSTER = "kafka-cluster"
_PRINCIPAL = "User:CN="


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """One right. The codes of a broker's rule may be others than ours know: they are kept as they are. `permission`:
    3 allows, 2 denies; `host`: from where, "*" everywhere."""

    principal: str
    kind: int
    name: str
    operation: int
    pattern: int = Pattern.LITERAL
    permission: int = ALLOW
    host: str = EVERYWHERE

    @property
    def who(self) -> str:
        return self.principal.removeprefix(_PRINCIPAL)

    @property
    def verb(self) -> str:
        """Such as "read topic"."""
        may = "" if self.permission == ALLOW else "never "
        return f"{may}{_word(Operation, self.operation)} {_word(Kind, self.kind)}"

    @property
    def what(self) -> str:
        """Such as "session.v1"."""
        at = "" if self.host == EVERYWHERE else f" (from {self.host})"
        return self.name + ("*" if self.pattern == Pattern.PREFIXED else "") + at


def _word(codes: type[IntEnum], code: int) -> str:
    try:
        return codes(code).name.lower().replace("_", " ")
    except ValueError:
        return str(code)


def rules(access: Access) -> frozenset[Rule]:
    """All that the manifest gives."""
    return frozenset(rule for name, entry in access.entries.items() for rule in _rules(access, name, entry))


def _rules(access: Access, name: str, entry: Entry) -> Iterator[Rule]:
    who = _PRINCIPAL + name
    yield from (Rule(who, Kind.TOPIC, topic, Operation.READ) for topic in entry.reads)
    yield from (Rule(who, Kind.TOPIC, topic, Operation.WRITE) for topic in entry.writes)
    yield from (Rule(who, Kind.GROUP, GROUP_PREFIX + group, Operation.READ) for group in entry.groups)
    if entry.topics and not entry.writes:  # else it could not even connect: a producer begins by asking for its number
        yield Rule(who, Kind.CLUSTER, _CLUSTER, Operation.IDEMPOTENT_WRITE)
    if entry.administers:
        yield Rule(who, Kind.CLUSTER, _CLUSTER, Operation.ALTER)
        operations = Operation.CREATE, Operation.DESCRIBE, Operation.ALTER_CONFIGS
        yield from (Rule(who, Kind.TOPIC, topic, o) for o in operations for topic in access.topics)


def ours(access: Access, rule: Rule) -> bool:
    """Whether the manifest has a say in it: it is of one of its names, or about what is Parlance's. The rules of
    others on a shared cluster are their own affair."""
    names = {_PRINCIPAL + name for name in access.entries}
    about = rule.kind == Kind.TOPIC and (rule.name in access.topics or rule.name == EVERYWHERE)
    grouped = rule.kind == Kind.GROUP and (rule.name.startswith(GROUP_PREFIX) or rule.name == EVERYWHERE)
    return rule.principal in names or about or grouped or _covers(access, rule)


def _covers(access: Access, rule: Rule) -> bool:
    """A rule about all names that begin so, which some topic or group of ours does."""
    if rule.pattern != Pattern.PREFIXED:
        return False
    names = access.topics if rule.kind == Kind.TOPIC else {GROUP_PREFIX} if rule.kind == Kind.GROUP else set()
    return any(name.startswith(rule.name) for name in names)
