"""What an asker is told where no target of the route can answer."""

from collections.abc import Sequence

from parlance.errors import InvalidRequest, ParlanceError, from_code
from parlance.v1.llm_service_pb2 import AnswerRequest
from parlance.v1.turn_pb2 import Capability, ErrorCode
from services.llm.choice import Choice
from services.llm.router import kinds

# What mends itself soonest first: so whoever asks knows what to wait for, or what to change.
_FIRST = (
    ErrorCode.ERROR_CODE_UNAVAILABLE,
    ErrorCode.ERROR_CODE_QUOTA_EXHAUSTED,
    ErrorCode.ERROR_CODE_PERMISSION_DENIED,
)


def nobody(request: AnswerRequest, choices: Sequence[Choice]) -> ParlanceError:
    """`choices`: all of them, each passed over. It names who was passed over and why, and never what was asked."""
    if not choices:
        kind = Capability.Name(request.capability or Capability.CAPABILITY_CHAT).removeprefix("CAPABILITY_").lower()
        return InvalidRequest(f"no rule of the route of llm is for {kind}: parlance routes set llm TARGET --for {kind}")
    codes = {choice.code for choice in choices}
    code = next((c for c in _FIRST if c in codes), ErrorCode.ERROR_CODE_INVALID_REQUEST)
    told = "; ".join(dict.fromkeys(f"{c.target.target}: {c.passed_over}" for c in choices))
    return from_code(code, f"no language model can answer this ({told}){_mends(request, code)}")


def _mends(request: AnswerRequest, code: ErrorCode.ValueType) -> str:
    """Where waiting does not help and no budget says how it is raised."""
    if request.target or code not in (ErrorCode.ERROR_CODE_PERMISSION_DENIED, ErrorCode.ERROR_CODE_INVALID_REQUEST):
        return ""
    kind = Capability.Name(max(kinds(request))).removeprefix("CAPABILITY_").lower()
    for_ = f" --for {kind}" if kind != "chat" else ""
    if code == ErrorCode.ERROR_CODE_PERMISSION_DENIED:
        return ": a model that may see it can be added by parlance routes set llm TARGET --then TARGET"
    return f": one that can is set by parlance routes set llm TARGET{for_}"
