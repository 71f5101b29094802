"""The service `Speech`: audio of one device in, what is heard out."""

import asyncio
from collections.abc import AsyncIterator, Callable

from parlance.errors import ParlanceError
from parlance.rpc import Call
from parlance.v1.control_pb2 import RouteSet
from parlance.v1.speech_pb2 import SpeechEvent
from parlance.v1.speech_service_pb2 import (
    CheckSpeechRouteRequest,
    CheckSpeechRouteResponse,
    HearRequest,
    HearResponse,
)
from services.speech.hearing import Hearing, Parts
from services.speech.provider import Routed
from services.speech.utterance import Endpointing
from services.speech.vad import VoiceStream


class SpeechService:
    """`publish` appends a fact to speech.v1 and returns at once; `recogniser` gives the provider of the route in force,
    loaded; `voice` a new voice detector; `check` loads the provider of a route, in a thread, and raises
    InvalidRequest where it cannot run here."""

    def __init__(
        self,
        publish: Callable[[SpeechEvent], None],
        recogniser: Callable[[], Routed],
        voice: Callable[[], VoiceStream],
        check: Callable[[RouteSet], object],
        rules: Endpointing | None = None,
    ) -> None:
        self._parts = Parts(publish, recogniser, voice, rules or Endpointing())
        self._check = check
        self._streams: set[Hearing] = set()
        self._draining = False

    def drain(self) -> None:
        """Streams in which nobody speaks end now, the others when what is said has become words: whoever sends the
        audio goes on elsewhere."""
        self._draining = True
        for stream in self._streams:
            stream.drain()

    async def hear(self, requests: AsyncIterator[HearRequest], call: Call) -> AsyncIterator[HearResponse]:
        stream, error, left = Hearing(self._parts), None, False
        self._streams.add(stream)
        if self._draining:
            stream.drain()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(stream.listen(requests)), group.create_task(stream.recognise())]
            try:
                while (response := await stream.responses.get()) is not None:
                    if isinstance(response, ParlanceError):
                        error = response
                        break
                    yield response
            except GeneratorExit:
                # The group would wrap it; and whoever closes this generator expects no exception.
                left = True
            finally:
                stream.close(error)
                self._streams.discard(stream)
                for task in tasks:
                    task.cancel()
        if error is not None and not left:
            raise error

    async def check_speech_route(
        self, request: CheckSpeechRouteRequest, call: Call
    ) -> AsyncIterator[CheckSpeechRouteResponse]:
        await asyncio.to_thread(self._check, request.route)
        yield CheckSpeechRouteResponse()
