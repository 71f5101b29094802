"""What a status that no service of ours gave amounts to for whoever asked."""

import grpc
import grpc.aio
import pytest

from parlance.errors import Internal, Unreachable
from parlance.rpc_status import from_status


def status(code: grpc.StatusCode, details: str) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)


@pytest.mark.parametrize(
    ("code", "details"),
    [
        (grpc.StatusCode.CANCELLED, "CANCELLED"),
        (grpc.StatusCode.INTERNAL, "Internal error from Core"),
        (grpc.StatusCode.UNAVAILABLE, "Socket closed"),
    ],
)
def test_a_service_that_stops_in_the_middle_of_a_call_is_asked_again_elsewhere(
    code: grpc.StatusCode, details: str
) -> None:
    assert type(from_status(status(code, details), "Actions.Run", "127.0.0.1:1")) is Unreachable


def test_a_fault_of_the_service_is_not_asked_again() -> None:
    assert type(from_status(status(grpc.StatusCode.INTERNAL, "boom"), "Actions.Run", "127.0.0.1:1")) is Internal
