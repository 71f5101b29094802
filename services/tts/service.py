"""The service `Tts`: one clause into sound, by whichever voice the route names; another one where that fails."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from parlance import clock, ids, providers
from parlance.errors import InvalidRequest, ParlanceError, Unavailable, as_error
from parlance.log import logger
from parlance.rpc import Call
from parlance.v1.control_pb2 import RouteSet
from parlance.v1.tts_service_pb2 import (
    CheckTtsRouteRequest,
    CheckTtsRouteResponse,
    SpeakBegan,
    SpeakRequest,
    SpeakResponse,
)
from parlance.v1.turn_pb2 import END_CANCELLED, END_COMPLETE, END_FAILED
from parlance.v1.voice_pb2 import ClauseSpoken, VoiceEvent
from services.tts.normalise import speakable
from services.tts.provider import Provider
from services.tts.providers import PROVIDERS
from services.tts.sound import Sound

FALLBACKS = ("hibari:", "flite:rms")
# A text longer than this is made speakable in a thread; a clause never is.
_LONG, _LONGEST = 500, 20_000


class TtsService:
    """`publish` appends an event to voice.v1 and returns at once; `route` is the route in force; `fallbacks` are tried
    in order where its voice fails before the first sound. `home`: Parlance's home, where models are looked for and
    their checksums remembered; without it no weights are verified."""

    # Seconds that a voice may take to its first sound, and from one piece to the next.
    patience_s = 10.0

    def __init__(
        self,
        publish: Callable[[VoiceEvent], None],
        route: Callable[[], RouteSet],
        fallbacks: Sequence[str] = FALLBACKS,
        home: Path | None = None,
    ) -> None:
        self._publish, self._route, self._fallbacks, self._home = publish, route, fallbacks, home
        self._voices: dict[bytes, Provider] = {}
        self._loading = asyncio.Lock()

    async def warm(self) -> None:
        """Loads the routed voice, so that the first clause does not wait for it."""
        for route in self._candidates():
            try:
                await self._voice(route)
                return
            except ParlanceError as exc:
                logger.warning("tts: %s cannot speak here: %s", route.target, exc.message)

    async def speak(self, request: SpeakRequest, call: Call) -> AsyncGenerator[SpeakResponse, None]:
        event = VoiceEvent()
        fact = event.spoken
        fact.call_id, fact.characters, fact.began_at_us = call.id, len(request.text), clock.now_us()
        fact.end = END_CANCELLED
        try:
            if text := await _speakable(request.text):
                async with aclosing(await self._begun(text, fact)) as sound:
                    yield SpeakResponse(
                        began=SpeakBegan(
                            provider=fact.provider,
                            route_version=fact.route_version,
                            sample_rate_hz=sound.sample_rate_hz,
                        )
                    )
                    while (pcm := await sound.next()) is not None:
                        yield SpeakResponse(pcm=pcm)
            fact.end = END_COMPLETE
        except Exception as exc:
            fact.end = END_FAILED
            fact.error.CopyFrom(as_error(exc).to_proto())
            raise
        finally:
            self._told(call, event)

    async def check_tts_route(
        self, request: CheckTtsRouteRequest, call: Call
    ) -> AsyncGenerator[CheckTtsRouteResponse, None]:
        await self._voice(request.route)
        yield CheckTtsRouteResponse()

    async def _begun(self, text: str, fact: ClauseSpoken) -> Sound:
        """The sound of the routed voice, or of the first of the others that can; never two in one clause."""
        reasons: list[str] = []
        for route in self._candidates():
            try:
                voice = await self._voice(route)
                fact.provider, fact.route_version = route.target, route.version
                sound = Sound(voice, text, fact, self.patience_s)
                try:
                    await sound.begin()
                except BaseException:
                    await sound.aclose()
                    raise
                return sound
            except ParlanceError as exc:
                logger.warning("tts: %s failed: %s", route.target, exc.message)
                reasons.append(f"{route.target} {exc.message}")
        raise Unavailable(f"no voice can speak here, see 'parlance doctor' ({'; '.join(reasons)})")

    def _candidates(self) -> Iterator[RouteSet]:
        route = self._route()
        yield route
        for target in self._fallbacks:
            if target != route.target:
                yield RouteSet(stage="tts", target=target, version=route.version)

    async def _voice(self, route: RouteSet) -> Provider:
        key = _key(route)
        if key not in self._voices:
            async with self._loading:
                if key not in self._voices:
                    self._voices[key] = await asyncio.to_thread(_made, route, self._home)
        return self._voices[key]

    def _told(self, call: Call, event: VoiceEvent) -> None:
        header = event.header
        header.CopyFrom(call.header)
        header.causation_id = call.header.event_id
        header.event_id = ids.event_id(header.run, call.id or ids.new(), "ClauseSpoken")
        self._publish(event)


async def _speakable(text: str) -> str:
    if len(text) > _LONGEST:
        raise InvalidRequest(f"this text has {len(text)} characters: speak it clause by clause")
    return speakable(text) if len(text) <= _LONG else await asyncio.to_thread(speakable, text)


def _made(route: RouteSet, home: Path | None) -> Provider:
    settings: dict[str, str] = dict(route.settings)
    if home is not None:
        settings["home"] = str(home)
    made: Provider = providers.load("tts", PROVIDERS, route.target, **settings)
    return made


def _key(route: RouteSet) -> bytes:
    """A voice is its target and settings, whatever the version."""
    settings: Any = sorted(route.settings.items())
    return repr((route.target, settings)).encode()
