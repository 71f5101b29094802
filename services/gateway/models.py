"""Questions to language models without a conversation: who would answer, and what one says. The user is the owner of
this home: what a client's own header says is not believed."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from parlance import clock, ids
from parlance.errors import ParlanceError
from parlance.rpc import Call, one
from parlance.v1.llm_service_pb2 import (
    AnswerRequest,
    AnswerResponse,
    CancelRequest,
    ExplainRequest,
    ExplainResponse,
    RememberConsentRequest,
    RememberConsentResponse,
)
from parlance.v1.turn_pb2 import Header, Modality
from services.gateway.parts import Parts

# How long such an answer may take, in microseconds.
_DEADLINE_US = 300_000_000


async def explained(parts: Parts, request: ExplainRequest, owner: Header) -> ExplainResponse:
    said: ExplainResponse = await one(parts.carrier.ask("Llm.Explain", request, Call("", owner)))  # type: ignore[arg-type]
    return said


async def consents(parts: Parts, request: RememberConsentRequest, owner: Header) -> RememberConsentResponse:
    header = Header(event_id=ids.new(), user_id=owner.user_id, accepted_at_us=clock.now_us())
    said: RememberConsentResponse = await one(parts.carrier.ask("Llm.RememberConsent", request, Call("", header)))  # type: ignore[arg-type]
    return said


async def asked(parts: Parts, request: AnswerRequest, owner: Header) -> AsyncGenerator[AnswerResponse, None]:
    """The answer in pieces. Whoever names a target lets its vendor see this question, this once; where the vendor is
    another one than the provider's name says, llm tells it."""
    agreed = AnswerRequest()
    agreed.CopyFrom(request)
    if request.target:
        agreed.consents.append(request.target.partition(":")[0])
    vendor = ""
    async with aclosing(_answer(parts, agreed, owner)) as pieces:
        async for part in pieces:
            if request.target and part.WhichOneof("part") == "consent_needed":
                vendor = part.consent_needed.vendor
            else:
                yield part
    if vendor and vendor not in agreed.consents:
        agreed.consents.append(vendor)
        async with aclosing(_answer(parts, agreed, owner)) as pieces:
            async for part in pieces:
                yield part


async def _answer(parts: Parts, request: AnswerRequest, owner: Header) -> AsyncGenerator[AnswerResponse, None]:
    """Where its asker goes away, the model is told to stop: nobody comes back for it."""
    call, over = Call(ids.new(), _header(request, owner)), False
    try:
        async with aclosing(parts.carrier.ask("Llm.Answer", request, call)) as pieces:
            async for part in pieces:
                yield part  # type: ignore[misc]
        over = True
    except ParlanceError:
        over = True
        raise
    finally:
        if not over:
            with suppress(ParlanceError):
                await one(parts.carrier.ask("Llm.Cancel", CancelRequest(call_id=call.id), Call("", owner)))


def _header(request: AnswerRequest, owner: Header) -> Header:
    """Of no turn: nobody ends one."""
    now = clock.now_us()
    return Header(
        event_id=ids.new(),
        session_id=ids.new(),
        user_id=owner.user_id,
        time_zone=owner.time_zone,
        accepted_at_us=now,
        asked_at_us=now,
        deadline_us=now + _DEADLINE_US,
        label=request.label,
        modality=Modality.MODALITY_TYPED,
    )
