"""Voices by name; loaded when first used."""

PROVIDERS = {
    "flite": "services.tts.providers.flite:Flite",
    "hibari": "services.tts.providers.hibari:HibariVoice",
    "tone": "services.tts.providers.tone:Tone",
}
