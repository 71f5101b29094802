"""A question to a partner, all the way: dialogue and llm as they are, a vendor that notes what it sees."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any
from unittest import mock

from parlance.events import TOPICS as ALL
from parlance.events import parse
from parlance.outgoing import record_of
from parlance.rpc import Call
from parlance.rpc_direct import DirectCarrier
from parlance.v1.context_service_pb2 import IdentifyRequest, IdentifyResponse
from parlance.v1.control_pb2 import LlmRule, LlmTarget, RouteSet
from parlance.v1.intent_pb2 import IntentEvent, IntentRecognized
from parlance.v1.llm_service_pb2 import AnswerRequest, Identifier
from parlance.v1.session_pb2 import ReplyHeard, SessionEvent
from parlance.v1.state_pb2 import Persona
from parlance.v1.turn_pb2 import Heard
from services.dialogue.dialogue import TOPICS, Dialogue
from services.dialogue.handler import converse
from services.dialogue.parts import Parts
from services.llm.consents import Consents
from services.llm.parts import Parts as LlmParts
from services.llm.provider import Usage, Value
from services.llm.providers import PROVIDERS
from services.llm.service import LlmService
from tests.simulation.bus import SimBus, Writer
from tests.simulation.edges import scripted_providers
from tests.simulation.loop import Life
from tests.simulation.store import SimStore
from tests.unit.dialogue_scene import Scene
from tests.unit.router_scene import Catalogue, model

ROUTE = RouteSet(
    stage="llm",
    version="v1",
    rules=[LlmRule(name="all", targets=[LlmTarget(target="vendor:m"), LlmTarget(target="house:m")])],
)
MODELS = Catalogue(
    model("vendor:m", "PARTNER", vendor="openai", speaks_as="ChatGPT"),
    model("house:m", "HOUSE", vendor="house", speaks_as=""),
)
QUESTION = "May I ask ChatGPT? You can say yes, no, always or never."
SEEN: list[str] = []


class Vendor:
    """Says whom it was asked about, in pieces of three characters."""

    destination = "vendor.example:443"

    def __init__(self, model: str) -> None:
        pass

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[Value, None]:
        SEEN.append(request.messages[-1].text)
        text = f"I am ChatGPT by OpenAI. You said: {request.messages[-1].text}"
        for at in range(0, len(text), 3):
            yield text[at : at + 3]
        yield Usage(input_tokens=1, output_tokens=1)


class House(Vendor):
    destination = ""

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[Value, None]:
        yield "It is blue."
        yield Usage(input_tokens=1, output_tokens=1)


class Context:
    async def lookup(self, request: Any, call: Call) -> AsyncGenerator[Any, None]:
        raise AssertionError("nothing is looked up")
        yield

    import_ = lookup

    async def identify(self, request: IdentifyRequest, call: Call) -> AsyncGenerator[IdentifyResponse, None]:
        named = any("Anna" in text for text in request.texts)
        yield IdentifyResponse(identifiers=[Identifier(kind="person", text="Anna")] if named else [])


class Whole(Scene):
    def __init__(self, persona: Persona | None = None) -> None:
        super().__init__()
        self.persona, self.turns = persona, 0
        writer = Writer(self.world, Life("llm", 1))
        self.bus = SimBus(writer)
        self.consents = Consents(self.bus, self.world.sealing.seal)
        parts = LlmParts(models=MODELS, consent=self.consents.of, remember=self.consents.remember)
        publish: Callable[[Any], Any] = lambda event: self.bus.publish(record_of(event, self.world.sealing.seal))  # noqa: E731
        self.llm = LlmService(publish, lambda: ROUTE, parts=parts)

    def dialogue(self) -> Dialogue:
        writer = Writer(self.world, Life("dialogue", 1))
        carrier = DirectCarrier({"Llm": self.llm, "Context": Context()})
        parts = Parts(SimBus(writer), SimStore(writer), self.world.sealing, carrier, converse, persona=self.persona)
        return Dialogue(parts)

    async def say(self, text: str, intent: str = "chat") -> list[str]:
        """What is said to it, and heard whole."""
        self.turns += 1
        turn = f"t{self.turns}"
        await self.happens(IntentEvent, turn, IntentRecognized(intent=intent, text=text))
        await asyncio.sleep(2)
        said = self.said(turn)
        heard = Heard(turn_id=turn, clauses=len(said), heard_at_us=self.world.now_us())
        await self.happens(SessionEvent, turn, ReplyHeard(heard=heard))
        return said

    def said(self, turn: str) -> list[str]:
        places = [("reply.v1", p) for p in range(ALL["reply.v1"].partitions)]
        events = [parse("reply.v1", w.record.value) for place in places for w in self.world.log[place]]
        mine = [self.world.sealing.open(e) for e in events if e.header.turn_id == turn]
        return [e.clause.text for e in mine if e.WhichOneof("event") == "clause"]

    def play(self, script: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            await self.consents.start()
            async with self.llm:
                running = asyncio.create_task(self.dialogue().stage.run(TOPICS))
                await script()
                running.cancel()

        SEEN.clear()
        ours = {"vendor": f"{__name__}:Vendor", "house": f"{__name__}:House"}
        with scripted_providers(), mock.patch.dict(PROVIDERS, ours):
            self.world.run(main())


def test_it_is_asked_once_and_always_is_remembered() -> None:
    scene, said = Whole(), []

    async def script() -> None:
        for text, intent in (("hello Anna", "chat"), ("always", "chat"), ("and Anna?", "chat"), ("yes", "affirm")):
            said.append(await scene.say(text, intent))

    scene.play(script)
    assert said == [
        [QUESTION],
        ["ChatGPT says: I am ChatGPT by OpenAI.", "You said: hello Anna"],
        ["ChatGPT says: I am ChatGPT by OpenAI.", "You said: and Anna?"],
        ["There is nothing to confirm right now."],
    ]
    assert SEEN == ["hello PERSON_1", "and PERSON_1?"]


def test_a_yes_is_for_this_once() -> None:
    scene, said = Whole(), []

    async def script() -> None:
        for text, intent in (("hello", "chat"), ("yes", "affirm"), ("hello", "chat")):
            said.append(await scene.say(text, intent))

    scene.play(script)
    assert (said[0], said[2]) == ([QUESTION], [QUESTION]) and said[1][-1] == "You said: hello"


def test_after_never_somebody_else_answers_and_nobody_is_asked_again() -> None:
    scene, said = Whole(), []

    async def script() -> None:
        for text in ("hello Anna", "never", "hello again"):
            said.append(await scene.say(text))

    scene.play(script)
    assert said == [[QUESTION], ["It is blue."], ["It is blue."]] and SEEN == []


def test_under_ones_own_brand_no_vendor_is_named() -> None:
    scene, said = Whole(Persona(name="Nova", own_brand=True)), []

    async def script() -> None:
        for text in ("hello Anna", "always"):
            said.append(await scene.say(text))

    scene.play(script)
    assert said == [
        ["May I ask a partner's model? You can say yes, no, always or never."],
        ["I am Nova by the people behind Nova.", "You said: hello Anna"],
    ]
