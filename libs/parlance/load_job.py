"""What a load process is told and what it tells: JSON, a line each, so that it needs nothing else of its parent."""

from dataclasses import dataclass
from typing import Any, NamedTuple


class Planned(NamedTuple):
    """A turn to send. Seconds after the start; `due` None: as soon as its session's turn before has ended.
    `n`: its place in the file. `name`: what its id derives from, within the run. `as_of_us`: what it takes for now,
    microseconds since 1970; 0: the clock's. `person`: whose lists and timers it means."""

    n: int
    due: float | None
    text: str
    interrupt_after: float
    name: str
    as_of_us: int = 0
    person: str = ""


class Row(NamedTuple):
    """What came of a turn; milliseconds after the start, None where it did not happen.

    `due`: the intended moment. `free`: when it could be sent: then, or when its session's turn before had ended (or
    its conversation was open).
    `first`: its first sound, or its first clause where the device is mute. `outcome`: "answered", "failed", "refused",
    "cancelled"; "lost" (no end came) or "error" (it could not be sent, or its stream broke)."""

    n: int
    due: float
    free: float
    sent: float | None
    accepted: float | None
    first: float | None
    ended: float | None
    outcome: str
    error: str


@dataclass(frozen=True, slots=True)
class Job:
    """`sessions`: each one's turns, in order. `sound`: the devices are not mute."""

    address: str
    run: str
    sound: bool
    sessions: dict[str, list[Planned]]

    def as_json(self) -> dict[str, Any]:
        return {"address": self.address, "run": self.run, "sound": self.sound, "sessions": self.sessions}

    @staticmethod
    def of(told: dict[str, Any]) -> "Job":
        sessions = {name: [Planned(*turn) for turn in turns] for name, turns in told["sessions"].items()}
        return Job(told["address"], told["run"], told["sound"], sessions)
