"""Means what its script says: for tests, load, and demonstrations. The rest is "chat"."""

import json
from collections.abc import Mapping
from pathlib import Path

from parlance.errors import InvalidRequest
from services.intent.provider import CHAT, Understanding

Script = Mapping[str, tuple[str, Mapping[str, str]]]


class Scripted:
    """`client`, or the JSON file of the setting `script`: {text: [intent, {slot: value}]}, texts compared in lower
    case. With neither, everything is for the language model."""

    def __init__(self, model: str, client: Script | None = None, *, home: str = "", script: str = "") -> None:
        found = client if client is not None else _read(Path(script)) if script else {}
        self._script = {text.lower(): meant for text, meant in found.items()}

    async def understand(self, text: str) -> Understanding:
        intent, slots = self._script.get(text.lower(), (CHAT, {}))
        return Understanding(intent, 1.0, dict(slots), "scripted")


def _read(path: Path) -> Script:
    try:
        told = json.loads(path.read_text("utf-8"))
        return {text: (str(intent), {k: str(v) for k, v in slots.items()}) for text, (intent, slots) in told.items()}
    except (OSError, ValueError, AttributeError, TypeError) as exc:
        raise InvalidRequest(f"the script {path} must be JSON of the form {{text: [intent, {{slot: value}}]}}") from exc
