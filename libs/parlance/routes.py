"""Routes: which provider answers for which stage. They live on the compacted control topic; setting one takes effect
in the running services within a second, without a restart."""

import asyncio
from collections.abc import Callable, Mapping

from parlance import ids
from parlance.bus import Bus, Out, Record, Subscription
from parlance.errors import InvalidRequest, Unavailable
from parlance.events import TOPICS, parse, to_bytes, wrap
from parlance.log import logger
from parlance.v1.control_pb2 import ControlEvent, RouteSet
from parlance.v1.turn_pb2 import Header

CONTROL = "control.v1"
# How long what was set may take until it is read here.
_SEEN_S = 10

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
        # Every version, for whoever brings one back.
        self._versions = {(stage, route.version or "v0"): route for stage, route in defaults.items()}
        self._subscription: Subscription | None = None
        self._replays: list[Callable[[ControlEvent], None]] = []
        self._setting = asyncio.Lock()
        # What this process has set and not seen yet, by event id: what was in force before it.
        self._awaited: dict[str, asyncio.Future[RouteSet]] = {}

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

    def before(self, stage: str) -> RouteSet:
        """The version before the one in force, as the next one; before one that was brought back, the one before that.

        Raises InvalidRequest where there is none."""
        current = self._current[stage]
        at = _number(current.brings_back or current.version)
        earlier = self._versions.get((stage, f"v{at - 1}"))
        if earlier is None:
            raise InvalidRequest(f"the route of {stage} has no version before {current.version}")
        made = RouteSet()
        made.CopyFrom(earlier)
        made.brings_back = earlier.brings_back or earlier.version
        return made

    async def set(self, route: RouteSet, replaces: str = "") -> RouteSet:
        """Publishes a new version of a route, and returns once it is in force here. It must have been checked by its
        stage. Raises InvalidRequest where another version is in force than `replaces` ("": whichever is)."""
        async with self._setting:
            current = self._current[route.stage]
            if replaces and replaces != current.version:
                raise _changed(route.stage, replaces, current.version)
            made = RouteSet()
            made.CopyFrom(route)
            made.version = f"v{_number(current.version) + 1}"
            before = await self._published(made)
            if replaces and before is not None and before.version != replaces:
                # Somebody at another gateway was quicker: what they set comes back, and holds.
                theirs = RouteSet()
                theirs.CopyFrom(before)
                theirs.version, theirs.brings_back = f"v{_number(made.version) + 1}", before.version
                await self._published(theirs)
                raise _changed(route.stage, replaces, theirs.version)
            return made

    async def _published(self, route: RouteSet) -> RouteSet | None:
        """What was in force before it; None where nobody here reads what is set."""
        await self._bus.publish(_record(f"route/{route.stage}/{route.version}", _event(route)))
        event = _event(route)
        seen = asyncio.get_running_loop().create_future()
        self._awaited[event.header.event_id] = seen
        try:
            await self._bus.publish(_record(f"route/{route.stage}/current", event))
            return await asyncio.wait_for(seen, _SEEN_S) if self._subscription is not None else None
        except TimeoutError:
            raise Unavailable("the route is written; it is in force once the log can be read again") from None
        finally:
            del self._awaited[event.header.event_id]

    def _deliver(self, records: list[Record]) -> None:
        for record in records:
            try:
                event = parse(record.topic, record.value)
            except Exception:
                logger.warning("a control record could not be read; it is skipped")
                continue
            current = record.key.endswith(b"/current")
            if event.WhichOneof("event") == "route":
                self._told(event, current)
            elif event.WhichOneof("event") == "replay" and current:
                for call in self._replays:
                    call(event)

    def _told(self, event: ControlEvent, current: bool) -> None:
        route = event.route
        if not current:
            self._versions[route.stage, route.version] = route
            return
        before = self._current.get(route.stage, RouteSet(stage=route.stage))
        self._current[route.stage] = route
        waiting = self._awaited.get(event.header.event_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(before)


def _number(version: str) -> int:
    return int(version.removeprefix("v") or 0)


def _changed(stage: str, replaces: str, current: str) -> InvalidRequest:
    return InvalidRequest(
        f"the route of {stage} is {current} by now, no longer {replaces}: see 'parlance routes list', then set it again"
    )


def _event(route: RouteSet) -> ControlEvent:
    made: ControlEvent = wrap(ControlEvent, Header(event_id=ids.new()), route)
    return made


def _record(key: str, event: ControlEvent) -> Out:
    return Out(CONTROL, 0 % TOPICS[CONTROL].partitions, key.encode(), to_bytes(event))
