PROVIDERS = {
    "default": "services.intent.providers.patterns_and_head:PatternsAndHead",
    "patterns": "services.intent.providers.patterns_alone:PatternsAlone",
    "scripted": "services.intent.providers.scripted:Scripted",
}
