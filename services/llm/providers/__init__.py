"""Language-model providers by name; loaded when first used."""

PROVIDERS = {
    "anthropic": "services.llm.providers.anthropic:Anthropic",
    "compatible": "services.llm.providers.compatible:Compatible",
    "google": "services.llm.providers.google:Google",
    "openai": "services.llm.providers.openai:OpenAI",
    "scripted": "services.llm.providers.scripted:Scripted",
    "unconfigured": "services.llm.providers.unconfigured:Unconfigured",
}
