"""As whom a deployment speaks, by its settings."""

from parlance.config import Config
from parlance.errors import InvalidRequest
from parlance.v1.state_pb2 import Persona

# It stands in every question to a language model, and in the state of every turn.
_STYLE_MAX = 4000


def persona_of(config: Config) -> Persona | None:
    """None where nothing is set. Raises InvalidRequest where the file cannot be read, is no text or is too long."""
    style = ""
    if config.persona is not None:
        try:
            style = config.persona.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise InvalidRequest(f"PARLANCE_PERSONA: {config.persona} cannot be read as text") from exc
        if not 0 < len(style) <= _STYLE_MAX:
            raise InvalidRequest(f"PARLANCE_PERSONA: {config.persona} must hold 1 to {_STYLE_MAX} characters")
    if not (config.name or style or config.own_brand):
        return None
    return Persona(name=config.name, style=style, own_brand=config.own_brand)
