"""Whom a question to a language model names, of the user's contacts: asked of context once, before the turn begins. It
is part of the state that the turn begins with, so that the turn handled again asks the same question."""

import asyncio
from collections.abc import Iterable

from parlance.errors import ParlanceError
from parlance.log import logger
from parlance.rpc import Call, Carrier, one
from parlance.v1.context_service_pb2 import IdentifyRequest
from parlance.v1.intent_pb2 import IntentRecognized
from parlance.v1.llm_service_pb2 import Identifier
from parlance.v1.state_pb2 import OpenTurn

_METHOD = "Context.Identify"
_WITHIN_S = 0.5
# After it was out of reach: nobody waits for it at every turn.
_REST_S = 3.0


class Named:
    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._again_at = 0.0

    async def in_turn(self, turn: OpenTurn, event: object) -> Iterable[Identifier]:
        """Nobody where nothing goes to a language model, and where context is out of reach: then the turn's state says
        that they are not known, and no partner is asked."""
        if not isinstance(event, IntentRecognized) or not (
            event.intent == "chat" or turn.snapshot.HasField("question")
        ):
            return ()
        now = asyncio.get_running_loop().time()
        if not turn.header.user_id:
            return ()
        turn.snapshot.names_unknown = True
        if now < self._again_at:
            return ()
        request = IdentifyRequest(texts=_texts(turn, event))
        try:
            async with asyncio.timeout(_WITHIN_S):
                found = await one(self._carrier.ask(_METHOD, request, Call("", turn.header, now + _WITHIN_S)))
        except (ParlanceError, TimeoutError):
            self._again_at = now + _REST_S
            logger.info("context is out of reach: whom a question names is not known for %g s", _REST_S)
            return ()
        turn.snapshot.names_unknown = False
        return found.identifiers  # type: ignore[attr-defined, no-any-return]


def _texts(turn: OpenTurn, event: IntentRecognized) -> Iterable[str]:
    yield event.text
    yield turn.snapshot.question.text
    for exchange in turn.snapshot.conversation:
        yield exchange.user_text
        yield exchange.reply_text
