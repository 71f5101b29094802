"""A scenario that was run."""

from dataclasses import dataclass, field

from tests.simulation.client import Client
from tests.simulation.nodes import Stack
from tests.simulation.world import World


@dataclass
class Run:
    """Everything to judge it by."""

    world: World
    stack: Stack
    clients: list[Client] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
