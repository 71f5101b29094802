"""What the asker is told of a status that no service of ours gave."""

import grpc
import grpc.aio
import pytest

from parlance.errors import DeadlineExceeded, Internal, ParlanceError, Unreachable
from parlance.rpc_status import from_status


@pytest.mark.parametrize(
    ("code", "details", "told"),
    [
        (grpc.StatusCode.UNAVAILABLE, "Socket closed", Unreachable),
        # The connection broke while something was written: whoever asked goes on with another replica.
        (grpc.StatusCode.INTERNAL, "Internal error from Core", Unreachable),
        (grpc.StatusCode.INTERNAL, "something else", Internal),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "", DeadlineExceeded),
    ],
)
def test_a_status_is_an_error_of_ours(code: grpc.StatusCode, details: str, told: type[ParlanceError]) -> None:
    status = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details)
    assert type(from_status(status, "Gateway.Converse", "one:50051")) is told
