PROVIDERS = {
    "whisper": "services.speech.providers.whisper:Whisper",
    "scripted": "services.speech.providers.scripted:Scripted",
}
