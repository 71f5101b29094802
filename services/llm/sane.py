"""What a provider says, as far as it makes sense: a vendor may count wrong, and cut a character in two."""

from services.llm.provider import Reasoning, Usage, Value

# Tokens of one answer. No vendor has a model that reads or writes so many.
_MOST = 100_000_000


def believable(usage: Usage) -> bool:
    """Whether its counts can be counts."""
    counts = (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cache_write_1h_tokens,
        usage.reasoning_tokens,
        usage.web_searches,
    )
    if not all(type(count) is int and 0 <= count <= _MOST for count in counts):
        return False
    if usage.cache_write_1h_tokens > usage.cache_write_tokens:
        return False
    return usage.cache_read_tokens + usage.cache_write_tokens <= usage.input_tokens


def whole(value: Value) -> Value:
    """With U+FFFD for each half of a character, which nobody could write down."""
    if isinstance(value, str):
        return _text(value)
    return Reasoning(_text(value.text)) if isinstance(value, Reasoning) else value


def _text(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
