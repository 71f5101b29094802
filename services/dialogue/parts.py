"""What dialogue is made of; one place builds it, tests build it with other parts."""

from dataclasses import dataclass

from parlance.bus import Bus
from parlance.privacy import Sealing
from parlance.rpc import Carrier
from parlance.store import Store
from parlance.v1.state_pb2 import Persona
from services.dialogue.handling import Converse
from services.dialogue.policy import Policy, allow_all


@dataclass(slots=True)
class Parts:
    bus: Bus
    store: Store
    sealing: Sealing
    carrier: Carrier
    converse: Converse
    policy: Policy = allow_all
    # As whom it speaks; None: as nobody in particular.
    persona: Persona | None = None
    # How long an unasked turn waits for the others before it cuts in.
    cut_in_s: float = 10.0
    # What the first clause has of the loop before the model's next words are taken.
    lead_s: float = 0.0
