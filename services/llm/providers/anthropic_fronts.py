"""The doors behind which Claude answers: Anthropic's own, and those of three clouds."""

from importlib.util import find_spec
from typing import Any

import anthropic
import httpx2

from parlance.errors import InvalidRequest
from services.llm.providers import http

# By the setting `front`: the SDK's class, what each of our settings is called there, and what is needed.
_FRONTS: dict[str, tuple[str, dict[str, str], tuple[str, ...]]] = {
    "bedrock": ("AsyncAnthropicBedrock", {"region": "aws_region", "profile": "aws_profile"}, ("region",)),
    "mantle": ("AsyncAnthropicBedrockMantle", {"region": "aws_region", "profile": "aws_profile"}, ("region",)),
    "aws": (
        "AsyncAnthropicAWS",
        {"region": "aws_region", "profile": "aws_profile", "workspace": "workspace_id"},
        ("region", "workspace"),
    ),
    "vertex": ("AsyncAnthropicVertex", {"region": "region", "project": "project_id"}, ("region", "project")),
    "foundry": ("AsyncAnthropicFoundry", {"resource": "resource"}, ()),
}
_OWN = "https://api.anthropic.com"
# What finds a cloud's own credentials, where no key is given, and what reads Bedrock's frames.
_PACKAGES = {"bedrock": "boto3", "mantle": "boto3", "aws": "boto3", "vertex": "google-auth"}
_MODULES = {"boto3": ("boto3", "botocore"), "google-auth": ("google.auth", "requests")}


def opened(front: str, base_url: str, api_key: str, settings: dict[str, str]) -> Any:
    """The SDK's client, which retries nothing, makes no spans of its own and counts its bytes. Takes what it knows out
    of `settings`. InvalidRequest where something is missing."""
    key = http.checked_key(api_key)
    base_url = base_url.rstrip("/").removesuffix("/v1") if front in ("", "foundry") else base_url
    if base_url:
        http.host_of(base_url)
    if front:
        kind, arguments = _cloud(front, base_url, key, settings)
    else:
        kind, arguments = anthropic.AsyncAnthropic, _own(base_url, key)
    arguments |= {"http_client": http.client(**settings), "max_retries": 0, "open_telemetry": False}
    try:
        return kind(**arguments)
    except (ValueError, anthropic.AnthropicError) as exc:
        raise InvalidRequest(f"front={front or 'anthropic'} cannot be used like this ({type(exc).__name__})") from None


def destination(client: Any) -> str:
    """Host and port that it sends to."""
    return http.host_of(str(httpx2.URL(client.base_url)))


def _own(base_url: str, key: str) -> dict[str, Any]:
    if not key and not base_url:
        raise InvalidRequest("anthropic needs a key: set ANTHROPIC_API_KEY, or --set api_key_env=NAME")
    # Without one, the SDK would look for keys of its own.
    return {"base_url": base_url or _OWN, "api_key": key or "none"}


def _cloud(front: str, base_url: str, key: str, settings: dict[str, str]) -> tuple[Any, dict[str, Any]]:
    if front not in _FRONTS:
        raise InvalidRequest(f"front={front} is not known; known: {', '.join(sorted(_FRONTS))}")
    name, names, needed = _FRONTS[front]
    for setting in needed:
        if not settings.get(setting):
            raise InvalidRequest(f"front={front} needs --set {setting}=...")
    _check_packages(front, key)
    arguments = {theirs: settings.pop(ours) for ours, theirs in names.items() if settings.get(ours)}
    if front == "foundry":
        _check_foundry(base_url, key, arguments)
    if key:
        arguments["access_token" if front == "vertex" else "api_key"] = key
    if base_url:
        arguments["base_url"] = base_url
    return getattr(anthropic, name), arguments


def _check_packages(front: str, key: str) -> None:
    package = "" if key and front != "bedrock" else _PACKAGES.get(front, "")
    if not all(find_spec(module) for module in _MODULES.get(package, ())):
        raise InvalidRequest(f"front={front} needs a package that is missing: pip install {package}")


def _check_foundry(base_url: str, key: str, arguments: dict[str, Any]) -> None:
    if not key:
        raise InvalidRequest("front=foundry needs a key: --set api_key_env=NAME names the variable that holds it")
    if bool(base_url) == ("resource" in arguments):
        raise InvalidRequest("front=foundry needs --set resource=NAME or --set base_url=https://..., one of the two")
