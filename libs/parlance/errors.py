"""One exception class per error code. `retryable` belongs to the class.

Translated at two edges only: stage -> event (StageFailed) and rpc -> status.
Messages say what to do and never hold personal content.
"""

from parlance.v1.turn_pb2 import Error, ErrorCode


class ParlanceError(Exception):
    code: ErrorCode.ValueType = ErrorCode.ERROR_CODE_INTERNAL
    retryable = False

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message

    def to_proto(self) -> Error:
        return Error(code=self.code, message=self.message, retryable=self.retryable)


class InvalidRequest(ParlanceError):
    code = ErrorCode.ERROR_CODE_INVALID_REQUEST


class Unauthenticated(ParlanceError):
    code = ErrorCode.ERROR_CODE_UNAUTHENTICATED


class PermissionDenied(ParlanceError):
    code = ErrorCode.ERROR_CODE_PERMISSION_DENIED


class RateLimited(ParlanceError):
    code = ErrorCode.ERROR_CODE_RATE_LIMITED
    retryable = True


class QuotaExhausted(ParlanceError):
    code = ErrorCode.ERROR_CODE_QUOTA_EXHAUSTED


class Unavailable(ParlanceError):
    code = ErrorCode.ERROR_CODE_UNAVAILABLE
    retryable = True


class NotYet(Unavailable):
    """What a process needs is not there, or not made yet: waiting may mend it."""


class Unreachable(Unavailable):
    """Nobody answers at the address: what was asked has reached no service."""


class Mistrusted(Unreachable):
    """Somebody is there, but our certificates and theirs do not fit."""


class DeadlineExceeded(ParlanceError):
    code = ErrorCode.ERROR_CODE_DEADLINE_EXCEEDED


class Refused(ParlanceError):
    code = ErrorCode.ERROR_CODE_REFUSED


class Internal(ParlanceError):
    code = ErrorCode.ERROR_CODE_INTERNAL


_BY_CODE: dict[int, type[ParlanceError]] = {c.code: c for c in ParlanceError.__subclasses__()}


def from_proto(error: Error) -> ParlanceError:
    """The exception that `to_proto` was made of."""
    return _BY_CODE.get(error.code, Internal)(error.message)


def from_code(code: ErrorCode.ValueType, message: str) -> ParlanceError:
    return _BY_CODE.get(code, Internal)(message)


def exit_code(exc: ParlanceError) -> int:
    """Of a program that it ends: 2 for bad input or usage, else 1."""
    return 2 if isinstance(exc, InvalidRequest) else 1


def as_error(exc: BaseException) -> ParlanceError:
    """Our error for any exception. A stranger's message may hold content, so only its type is told."""
    if isinstance(exc, ParlanceError):
        return exc
    if isinstance(exc, TimeoutError):
        return DeadlineExceeded("took too long")
    return Internal(f"unexpected {type(exc).__name__}")


def unexpected(exc: BaseException) -> str:
    """What a user is told of an error that is not ours: its type and place, never its message."""
    at = exc.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    place = f" at {at.tb_frame.f_code.co_filename.rpartition('/')[2]}:{at.tb_lineno}" if at is not None else ""
    return f"unexpected {type(exc).__name__}{place}; this is a defect: PARLANCE_LOG=debug shows more of it"
