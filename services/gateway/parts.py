"""What gateway is made of."""

from dataclasses import dataclass

from parlance.bus import Bus
from parlance.history import History
from parlance.privacy import Sealing
from parlance.routes import Routes
from parlance.rpc import Carrier


@dataclass(slots=True)
class Parts:
    bus: Bus
    sealing: Sealing
    carrier: Carrier
    routes: Routes
    history: History
    # Who speaks, where a client is not authenticated: the owner of this home.
    user_id: str = "owner"
    time_zone: str = "UTC"
    # This gateway's partition of reply.v1.
    slot: int = 0
    # Whether load may be put straight on the bus.
    rehearsal: bool = False
