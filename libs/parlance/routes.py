"""Routes: which provider answers for which stage. They live on the compacted control topic; setting one takes effect
in the running services within a second, without a restart."""

from collections.abc import Callable, Mapping

from parlance import ids
from parlance.bus import Bus, Out, Record, Subscription
from parlance.events import TOPICS, parse, to_bytes, wrap
from parlance.log import logger
from parlance.v1.control_pb2 import ControlEvent, RouteSet
from parlance.v1.turn_pb2 import Header

CONTROL = "control.v1"

# Who answers where nobody has set a route: what works offline, without a key.
DEFAULTS: Mapping[str, RouteSet] = {
    "intent": RouteSet(stage="intent", target="default:", version="v0"),
    "speech": RouteSet(stage="speech", target="whisper:tiny.en", version="v0"),
    "tts": RouteSet(stage="tts", target="hibari:", version="v0"),
    "llm": RouteSet(stage="llm", target="unconfigured:", version="v0"),
}


class Routes:
    """The routes in force. `defaults`: target per stage, where the control topic names none (version "v0")."""

    def __init__(self, bus: Bus, defaults: Mapping[str, RouteSet] = DEFAULTS) -> None:
        self._bus = bus
        self._current: dict[str, RouteSet] = dict(defaults)
        self._subscription: Subscription | None = None
        self._replays: list[Callable[[ControlEvent], None]] = []

    async def start(self) -> None:
        """Returns when all routes set so far are in force."""
        self._subscription = self._bus.subscribe(None, [CONTROL], self._deliver, from_us=0)
        await self._subscription.caught_up()

    async def stop(self) -> None:
        if self._subscription is not None:
            await self._subscription.stop()

    def current(self, stage: str) -> RouteSet:
        return self._current[stage]

    def all(self) -> list[RouteSet]:
        return [self._current[stage] for stage in sorted(self._current)]

    def on_replay(self, call: Callable[[ControlEvent], None]) -> None:
        """`call` gets each request to replay a dead letter."""
        self._replays.append(call)

    async def set(self, route: RouteSet) -> RouteSet:
        """Publishes a new version of a route. It must have been checked by its stage."""
        made = RouteSet()
        made.CopyFrom(route)
        made.version = f"v{int(self._current[route.stage].version.removeprefix('v') or 0) + 1}"
        for name in (made.version, "current"):
            await self._bus.publish(_record(f"route/{made.stage}/{name}", made))
        return made

    def _deliver(self, records: list[Record]) -> None:
        for record in records:
            try:
                event = parse(record.topic, record.value)
            except Exception:
                logger.warning("a control record could not be read; it is skipped")
                continue
            if event.WhichOneof("event") == "route" and record.key.endswith(b"/current"):
                self._current[event.route.stage] = event.route
            elif event.WhichOneof("event") == "replay" and record.key.endswith(b"/current"):
                for call in self._replays:
                    call(event)


def _record(key: str, route: RouteSet) -> Out:
    event = wrap(ControlEvent, Header(event_id=ids.new()), route)
    return Out(CONTROL, 0 % TOPICS[CONTROL].partitions, key.encode(), to_bytes(event))
