"""Networks that the manifest amounts to, as data: what compose's `networks` and Kubernetes' policies must say."""

from collections.abc import Iterator

from parlance.access import Access, Entry

# No way out, no port published: every process of the stack, the broker and the database.
INTERNAL = "inside"
# Where ports are published: whoever lets outside clients in.
EDGE = "edge"
# With a way out: whoever has providers to reach.
OUTSIDE = "outside"
# No way out: emulators of what is outside, and whoever asks them.
EMULATED = "emulated"

BROKER, DATABASE = "kafka", "postgres"


def networks(access: Access) -> dict[str, frozenset[str]]:
    """Which networks each process of the stack is on, by its name."""
    found = {name: frozenset(_of(entry)) for name, entry in access.services.items()}
    return {**found, BROKER: frozenset({INTERNAL}), DATABASE: frozenset({INTERNAL})}


def _of(entry: Entry) -> Iterator[str]:
    yield INTERNAL
    for network, on in ((EDGE, entry.edge), (OUTSIDE, entry.outside), (EMULATED, entry.emulated)):
        if on:
            yield network


def connections(access: Access) -> frozenset[tuple[str, str]]:
    """Who may connect to whom inside the stack: (from, to). Whoever is not in it as `to` takes no connection but from
    the outside (`edge`) and from what looks after its health."""
    serving = {entry.serves: name for name, entry in access.services.items() if entry.serves}
    found: set[tuple[str, str]] = set()
    for name, entry in access.entries.items():
        found.update((name, serving[method.partition(".")[0]]) for method in entry.calls)
        if entry.reads or entry.writes or entry.administers:
            found.add((name, BROKER))
        if entry.database:
            found.add((name, DATABASE))
    return frozenset(found)
