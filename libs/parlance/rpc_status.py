"""What a gRPC status and an error of ours are to each other."""

import grpc
import grpc.aio

from parlance import errors
from parlance.errors import DeadlineExceeded, Internal, InvalidRequest, ParlanceError, Unreachable
from parlance.rpc import Credentials
from parlance.rpc_unreached import unreached
from parlance.v1.turn_pb2 import Error

ERROR = "parlance-error-bin"

_S = grpc.StatusCode
STATUS: dict[type[ParlanceError], grpc.StatusCode] = {
    errors.InvalidRequest: _S.INVALID_ARGUMENT,
    errors.Unauthenticated: _S.UNAUTHENTICATED,
    errors.PermissionDenied: _S.PERMISSION_DENIED,
    errors.RateLimited: _S.RESOURCE_EXHAUSTED,
    errors.QuotaExhausted: _S.RESOURCE_EXHAUSTED,
    errors.Unavailable: _S.UNAVAILABLE,
    errors.DeadlineExceeded: _S.DEADLINE_EXCEEDED,
    errors.Refused: _S.FAILED_PRECONDITION,
    errors.Internal: _S.INTERNAL,
}
# A server that stops ends its running calls as CANCELLED; what we cancel ourselves never comes back as a status.
# What grpc.aio makes of a call whose end was noticed in writing to it, before the status was read: most often the
# connection broke.
_WRITE_FAILED = "Internal error from Core"
_BY_STATUS = {
    **{status: cls for cls, status in reversed(STATUS.items())},
    _S.NOT_FOUND: errors.InvalidRequest,
    _S.OUT_OF_RANGE: errors.InvalidRequest,
    _S.UNIMPLEMENTED: errors.Unavailable,
}


def from_status(
    exc: grpc.aio.AioRpcError, method: str, address: str, shown: Credentials | None = None
) -> ParlanceError:
    """The error that the service raised, or what a status that nobody of ours gave amounts to. `shown`: our own
    certificate."""
    raw = exc.trailing_metadata().get(ERROR) if exc.trailing_metadata() else None
    if isinstance(raw, bytes):
        return errors.from_proto(Error.FromString(raw))
    code, details = exc.code(), exc.details() or ""
    if code == _S.DEADLINE_EXCEEDED:
        return too_late(method)
    if code == _S.RESOURCE_EXHAUSTED and "larger than max" in details:
        return InvalidRequest(f"a message of {method} is larger than 16 MiB: send it in pieces")
    if code == _S.UNAVAILABLE:
        return unreached(method, address, details, shown)
    if code == _S.CANCELLED or (code == _S.INTERNAL and details == _WRITE_FAILED):
        return Unreachable(f"{method}: {address} ended the call in the middle; try again")
    error: type[ParlanceError] = _BY_STATUS.get(code, Internal)
    return error(f"{method} at {address}: {code.name} {details}")


def too_late(method: str) -> DeadlineExceeded:
    return DeadlineExceeded(f"{method} was not done by its deadline")
