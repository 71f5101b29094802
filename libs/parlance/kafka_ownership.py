"""Who holds which partitions of a group, counted: a commit of work that began under an older count is dropped.

The client itself sends a late commit with its *current* generation, and the broker would take it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

Place = tuple[str, int]
"""(topic, partition)"""


@dataclass(slots=True)
class Ownerships:
    """Of one group in this process. Counts outlive the subscription that they were given to."""

    counts: dict[Place, int] = field(default_factory=dict)

    def raised(self, place: Place) -> int:
        self.counts[place] = self.counts.get(place, 0) + 1
        return self.counts[place]

    def of(self, place: Place) -> int:
        return self.counts.get(place, 0)


class Membership:
    """One subscription's place in its group, generation by generation."""

    def __init__(self, ownerships: Ownerships) -> None:
        self._ownerships = ownerships
        self._member = ""
        self._generation = -1
        self.held: dict[Place, int] = {}
        """The ownership of what is assigned now."""

    def assigned(self, member: str, generation: int, places: Iterable[Place]) -> set[Place]:
        """Gives the places that are held anew. What was held in the generation right before, under the same member
        id, nobody else can have had in between: it keeps its ownership."""
        follows = member == self._member and generation == self._generation + 1
        before = self.held if follows else {}
        self._member, self._generation = member, generation
        self.held = {p: before[p] if p in before else self._ownerships.raised(p) for p in places}
        return {p for p in self.held if p not in before}

    def owns(self, place: Place, ownership: int) -> bool:
        """Whether what began under `ownership` still counts: it is held, by nobody newer in this process either."""
        return self.held.get(place) == ownership == self._ownerships.of(place)


SPLIT = (
    "the members of group {} do not read the same topics or do not use Range assignment: a session's events go to two "
    "of them; stop the others"
)


def uneven(topics: Iterable[str], places: Iterable[Place]) -> bool:
    """Whether some partition of one topic is held here without the same partition of the others: then a session's
    events go to two processes."""
    numbers: dict[str, set[int]] = {topic: set() for topic in topics}
    for topic, number in places:
        numbers[topic].add(number)
    return len({frozenset(held) for held in numbers.values()}) > 1
