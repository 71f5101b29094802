"""Networks that the manifest amounts to, as data: what compose's `networks` and Kubernetes' policies must say."""

from parlance.access import Access

# No way out, no port published: every process of the stack, the broker and the database.
INTERNAL = "inside"
# Where ports are published: whoever lets outside clients in.
EDGE = "edge"
# With a way out: whoever has providers to reach.
OUTSIDE = "outside"

BROKER, DATABASE = "kafka", "postgres"


def networks(access: Access) -> dict[str, frozenset[str]]:
    """Which networks each process of the stack is on, by its name."""
    found = {
        name: frozenset({INTERNAL, *([EDGE] if entry.edge else []), *([OUTSIDE] if entry.outside else [])})
        for name, entry in access.services.items()
    }
    return {**found, BROKER: frozenset({INTERNAL}), DATABASE: frozenset({INTERNAL})}


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
