"""Events as OpenAI's Responses write them."""

import json
from typing import Any

COUNTED = {
    "input_tokens": 30,
    "input_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 6},
    "output_tokens": 12,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 42,
}


def event(kind: str, **fields: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"


def text(words: str) -> str:
    return event("response.output_text.delta", output_index=0, content_index=0, item_id="m", delta=words)


def done(index: int, kind: str, **item: Any) -> str:
    return event("response.output_item.done", output_index=index, item={"type": kind, **item})


def ended(kind: str = "completed", **response: Any) -> str:
    return event(f"response.{kind}", response={"usage": COUNTED, **response})
