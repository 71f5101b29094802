"""How many bytes an attempt sends and gets, as they go over the wire. What opens connections adds to the meter of its
task; nobody has to pass it on."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Meter:
    """Of one attempt: bytes of the bodies of its requests and responses. `whole`: the last response was read to its
    end."""

    sent: int = 0
    received: int = 0
    requests: int = 0
    whole: bool = False


METER: ContextVar[Meter | None] = ContextVar("meter", default=None)
