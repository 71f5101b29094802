"""Whether the JSON Schemas of a request are some: a vendor's word on it would come too late, and differ by vendor."""

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from parlance.errors import InvalidRequest
from parlance.v1.llm_service_pb2 import AnswerRequest


def check(request: AnswerRequest) -> None:
    """Raises InvalidRequest, which names the tool and what is wrong with its schema."""
    for tool in request.tools:
        if not tool.name:
            raise InvalidRequest("a tool has no name")
        _schema(f"the parameters of the tool '{tool.name}'", tool.parameters or "{}")
    if request.output_schema:
        _schema("the output schema", request.output_schema)


@lru_cache(maxsize=256)
def _schema(what: str, text: str) -> None:
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise InvalidRequest(f"{what} are no JSON: {exc}") from None
    except RecursionError:
        raise InvalidRequest(f"{what} are nested too deep") from None
    if not isinstance(found, dict):
        raise InvalidRequest(f"{what} must be a JSON object")
    if wrong := _validator()(found):
        raise InvalidRequest(f"{what} are no JSON Schema: {wrong}")


@lru_cache(maxsize=1)
def _validator() -> Callable[[dict[str, Any]], str]:
    """What is wrong with a schema; loaded once, when the first one comes."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    def wrong(schema: dict[str, Any]) -> str:
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as exc:
            return f"{'/'.join(map(str, exc.absolute_path)) or 'its top'}: {exc.message[:200]}"
        except RecursionError:
            return "it is nested too deep"
        return ""

    return wrong
