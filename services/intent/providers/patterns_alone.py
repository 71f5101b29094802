"""Patterns and nothing else: no weights, no memory; whatever they do not know goes to the language model."""

from services.intent import patterns
from services.intent.provider import Understanding


class PatternsAlone:
    def __init__(self, model: str, client: object = None, *, home: str = "") -> None:
        """Takes what every provider takes; there is nothing to choose."""

    async def understand(self, text: str) -> Understanding:
        return patterns.alone(text)
