"""The service `Tts`: one clause into sound, by whichever voice the route names; another one where that fails."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

from parlance import clock, ids, providers
from parlance.errors import ParlanceError, Unavailable, as_error
from parlance.events import wrap
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
from parlance.v1.turn_pb2 import End, Header
from parlance.v1.voice_pb2 import ClauseSpoken, VoiceEvent
from services.tts.normalise import speakable
from services.tts.provider import Provider
from services.tts.providers import PROVIDERS

FALLBACKS = ("hibari:", "flite:rms")


class TtsService:
    """`publish` appends an event to voice.v1 and returns at once; `route` is the route in force; `fallbacks` are tried
    in order where its voice fails before the first sound."""

    def __init__(
        self,
        publish: Callable[[VoiceEvent], None],
        route: Callable[[], RouteSet],
        fallbacks: Sequence[str] = FALLBACKS,
    ) -> None:
        self._publish, self._route, self._fallbacks = publish, route, fallbacks
        self._voices: dict[bytes, Provider] = {}

    async def warm(self) -> None:
        """Loads the routed voice, so that the first clause does not wait for it."""
        for route in self._candidates():
            try:
                await self._voice(route)
                return
            except ParlanceError as exc:
                logger.warning("tts: %s cannot speak here: %s", route.target, exc.message)

    async def speak(self, request: SpeakRequest, call: Call) -> AsyncGenerator[SpeakResponse, None]:
        fact = ClauseSpoken(call_id=call.id, characters=len(request.text), began_at_us=clock.now_us())
        fact.end = End.END_CANCELLED
        try:
            async with aclosing(self._spoken(speakable(request.text), fact)) as parts:
                async for part in parts:
                    yield part
            fact.end = End.END_COMPLETE
        except Exception as exc:
            fact.end = End.END_FAILED
            fact.error.CopyFrom(as_error(exc).to_proto())
            raise
        finally:
            self._told(call, fact)

    async def check_tts_route(
        self, request: CheckTtsRouteRequest, call: Call
    ) -> AsyncGenerator[CheckTtsRouteResponse, None]:
        await self._voice(request.route)
        yield CheckTtsRouteResponse()

    async def _spoken(self, text: str, fact: ClauseSpoken) -> AsyncGenerator[SpeakResponse, None]:
        """The routed voice, or the first of the others that can; never two in one clause."""
        error: ParlanceError = Unavailable("no voice can speak here; see 'parlance doctor'")
        for route in self._candidates():
            try:
                voice = await self._voice(route)
                async with aclosing(self._pieces(voice, route, text, fact)) as parts:
                    async for part in parts:
                        yield part
                return
            except ParlanceError as exc:
                if fact.audio_ms:
                    raise
                logger.warning("tts: %s failed: %s", route.target, exc.message)
                error = exc
        raise error

    async def _pieces(
        self, voice: Provider, route: RouteSet, text: str, fact: ClauseSpoken
    ) -> AsyncGenerator[SpeakResponse, None]:
        fact.provider, fact.route_version, sent = route.target, route.version, 0
        async with aclosing(voice.speak(text)) as pieces:
            async for pcm in pieces:
                if not sent:
                    fact.first_audio_us = clock.now_us() - fact.began_at_us
                    began = SpeakBegan(
                        provider=route.target, route_version=route.version, sample_rate_hz=voice.sample_rate_hz
                    )
                    yield SpeakResponse(began=began)
                sent += len(pcm) // 2
                fact.audio_ms = sent * 1000 // voice.sample_rate_hz
                yield SpeakResponse(pcm=pcm)

    def _candidates(self) -> list[RouteSet]:
        route = self._route()
        others = [t for t in self._fallbacks if t != route.target]
        return [route, *(RouteSet(stage="tts", target=t, version=route.version) for t in others)]

    async def _voice(self, route: RouteSet) -> Provider:
        found = self._voices.get(_key(route))
        if found is None:
            found = await asyncio.to_thread(_made, route)
            self._voices[_key(route)] = found
        return found

    def _told(self, call: Call, fact: ClauseSpoken) -> None:
        header = Header()
        header.CopyFrom(call.header)
        header.causation_id = call.header.event_id
        header.event_id = ids.event_id(header.run, call.id or ids.new(), "ClauseSpoken")
        self._publish(wrap(VoiceEvent, header, fact))


def _made(route: RouteSet) -> Provider:
    made: Provider = providers.load("tts", PROVIDERS, route.target, **dict(route.settings))
    return made


def _key(route: RouteSet) -> bytes:
    """A voice is its target and settings, whatever the version."""
    settings: Any = sorted(route.settings.items())
    return repr((route.target, settings)).encode()
