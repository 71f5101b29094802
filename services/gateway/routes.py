"""What an operator does to routes. A stage itself says whether it can run what one names, before anything changes."""

from parlance.errors import InvalidRequest
from parlance.rpc import Call, one
from parlance.v1.control_pb2 import RouteSet
from parlance.v1.llm_service_pb2 import CheckLlmRouteRequest
from parlance.v1.speech_service_pb2 import CheckSpeechRouteRequest
from parlance.v1.tts_service_pb2 import CheckTtsRouteRequest
from parlance.v1.turn_pb2 import Header
from services.gateway.parts import Parts

_CHECK = {
    "llm": ("Llm.CheckLlmRoute", CheckLlmRouteRequest),
    "tts": ("Tts.CheckTtsRoute", CheckTtsRouteRequest),
    "speech": ("Speech.CheckSpeechRoute", CheckSpeechRouteRequest),
}


async def put(parts: Parts, route: RouteSet, replaces: str, owner: Header) -> RouteSet:
    """Sets a route. Raises InvalidRequest where another version is in force than `replaces` ("": whichever is)."""
    made = RouteSet()
    made.CopyFrom(route)
    made.ClearField("brings_back")
    await _check(parts, made, owner)
    return await parts.routes.set(made, replaces)


async def undo(parts: Parts, stage: str, owner: Header) -> RouteSet:
    """Brings back the version before the one in force."""
    _known(stage)
    in_force = parts.routes.current(stage).version
    route = parts.routes.before(stage)
    await _check(parts, route, owner)
    return await parts.routes.set(route, in_force)


async def _check(parts: Parts, route: RouteSet, owner: Header) -> None:
    _known(route.stage)
    method, make = _CHECK[route.stage]
    await one(parts.carrier.ask(method, make(route=route), Call("", owner)))


def _known(stage: str) -> None:
    if stage not in _CHECK:
        raise InvalidRequest(f"no routes for '{stage}'; stages with routes: {', '.join(sorted(_CHECK))}")
