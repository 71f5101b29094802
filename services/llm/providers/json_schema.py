"""JSON Schemas of tools and answers, as OpenAI's interfaces take them."""

import json
from functools import lru_cache
from typing import Any

from parlance.errors import InvalidRequest


@lru_cache(256)
def parsed(text: str, whose: str) -> dict[str, Any]:
    """The schema, not to be changed. `whose`: "the tool weather". Raises InvalidRequest where it is none of an object;
    an empty text is an object without properties."""
    try:
        schema = json.loads(text or '{"type": "object", "properties": {}}')
    except ValueError:
        raise InvalidRequest(f"the schema of {whose} is not JSON") from None
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise InvalidRequest(f"the schema of {whose} must have the type object")
    return schema


def closed(schema: Any) -> bool:
    """Whether each object in it names all its properties as required and takes no others: what OpenAI's strict mode
    wants of a schema, which it then keeps to the letter."""
    if isinstance(schema, list):
        return all(map(closed, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        if schema.get("additionalProperties") is not False:
            return False
        if set(schema.get("required", ())) != set(schema.get("properties", {})):
            return False
    return all(map(closed, schema.values()))
