"""The doors behind which Claude answers: where each sends to, and what is said where something is missing."""

import base64
import json
import struct
import zlib
from typing import Any

import pytest

from parlance import errors
from parlance.v1.llm_service_pb2 import Finish, ToolCall
from services.llm.provider import Usage
from tests.unit import anthropic_streams as stream
from tests.unit.vendor_wire import Vendor, read

pytest.importorskip("anthropic", reason="the extra `llm` is not installed")

from services.llm.providers.anthropic import Anthropic

EVENTS = [stream.start(), *stream.text(0, "Jane ", "Austen."), *stream.tool(1, "light", "{}"), *stream.end("tool_use")]


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Vendor:
    """Behind every door."""
    return _behind(monkeypatch, Vendor(stream.wire(EVENTS)))


def _behind(monkeypatch: pytest.MonkeyPatch, vendor: Vendor) -> Vendor:
    client = vendor.client()
    monkeypatch.setattr("services.llm.providers.http.client", lambda **settings: client)
    return vendor


def _frame(event: dict[str, Any]) -> bytes:
    """An event in AWS's own framing."""
    payload = json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode()}).encode()
    told = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        bytes([len(n)]) + n.encode() + b"\x07" + struct.pack(">H", len(v)) + v.encode() for n, v in told.items()
    )
    head = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    body = head + struct.pack(">I", zlib.crc32(head)) + headers + payload
    return body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize(
    ("settings", "host", "path"),
    [
        ({}, "api.anthropic.com", "/v1/messages"),
        ({"base_url": "http://127.0.0.1:8000/v1/"}, "127.0.0.1:8000", "/v1/messages"),
        (
            {"front": "vertex", "region": "europe-west1", "project": "p"},
            "europe-west1-aiplatform.googleapis.com",
            "/v1/projects/p/locations/europe-west1/publishers/anthropic/models/m:streamRawPredict",
        ),
        ({"front": "foundry", "resource": "r"}, "r.services.ai.azure.com", "/anthropic/v1/messages"),
        ({"front": "mantle", "region": "us-east-1"}, "bedrock-mantle.us-east-1.api.aws", "/anthropic/v1/messages"),
        (
            {"front": "aws", "region": "us-east-1", "workspace": "w"},
            "aws-external-anthropic.us-east-1.api.aws",
            "/v1/messages",
        ),
    ],
)
async def test_each_door_has_its_address_and_the_same_answer(
    settings: dict[str, str], host: str, path: str, vendor: Vendor
) -> None:
    provider = Anthropic("m", api_key="secret", **settings)
    assert provider.destination == host
    texts = [value for value in await read(provider) if isinstance(value, str)]
    assert texts == ["Jane ", "Austen."]
    (request,) = vendor.requests
    assert request.url.path == path
    # Microsoft's door has a name of its own for it.
    assert request.headers.get("Authorization", request.headers.get("api-key")).endswith("secret")
    await provider.aclose()


async def test_bedrock_frames_its_events_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("botocore", reason="boto3 is not installed")
    made = _behind(monkeypatch, Vendor(b"".join(map(_frame, EVENTS)), places=[3, 100, 101, 555]))
    provider = Anthropic("m", api_key="secret", front="bedrock", region="us-east-1")
    *texts, call, usage = await read(provider)
    assert texts == ["Jane ", "Austen."] and call == ToolCall(id="toolu_01", name="light", arguments="{}")
    assert isinstance(usage, Usage) and usage.finish == Finish.FINISH_TOOL_CALLS and usage.input_tokens == 442
    assert made.requests[0].url.path == "/model/m/invoke-with-response-stream"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "ANTHROPIC_API_KEY"),
        ({"base_url": "127.0.0.1:8000"}, "base_url"),
        ({"base_url": "http://127.0.0.1:8000", "colour": "red"}, "colour"),
        ({"base_url": "http://127.0.0.1:8000", "thinking": "much"}, "thinking"),
        ({"base_url": "http://127.0.0.1:8000", "cache": "2h"}, "cache"),
        ({"base_url": "http://127.0.0.1:8000", "api_key": "a b"}, "key"),
        ({"front": "back"}, "vertex"),
        ({"front": "vertex", "region": "eu"}, "--set project="),
        ({"front": "bedrock"}, "--set region="),
        ({"front": "aws", "region": "us-east-1"}, "--set workspace="),
        ({"front": "foundry", "resource": "r"}, "api_key_env"),
        ({"front": "foundry", "api_key": "k"}, "resource"),
        ({"front": "foundry", "api_key": "k", "resource": "r", "base_url": "https://r/anthropic"}, "resource"),
    ],
)
def test_a_route_that_does_not_say_enough_is_told_what_is_missing(settings: dict[str, str], said: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=said):
        Anthropic("m", **settings)
    with pytest.raises(errors.InvalidRequest, match="anthropic:MODEL"):
        Anthropic("", **settings)


@pytest.mark.parametrize(
    ("settings", "package"),
    [
        ({"front": "bedrock", "region": "r", "api_key": "k"}, "boto3"),
        ({"front": "mantle", "region": "r"}, "boto3"),
        ({"front": "vertex", "region": "r", "project": "p"}, "google-auth"),
    ],
)
def test_a_package_that_is_missing_is_named(
    settings: dict[str, str], package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.llm.providers.anthropic_fronts.find_spec", lambda module: None)
    with pytest.raises(errors.InvalidRequest, match=f"pip install {package}"):
        Anthropic("m", **settings)


async def test_a_cloud_that_nobody_is_signed_in_to_is_an_error_of_ours(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = pytest.importorskip("google.auth.exceptions", reason="google-auth is not installed")

    def nobody(**asked: Any) -> None:
        raise auth.DefaultCredentialsError("private path")

    monkeypatch.setattr("anthropic.lib.vertex._client.load_auth", nobody)
    monkeypatch.setattr("services.llm.providers.anthropic_fronts.find_spec", lambda module: True)
    with pytest.raises(errors.Unauthenticated) as caught:
        await read(Anthropic("m", front="vertex", region="eu", project="p"))
    assert vendor.requests == [] and "private" not in caught.value.message
