"""Rules of language models on a running platform: set, shared, explained, asked, brought back; what is refused."""

from pathlib import Path

import pytest

from tests.e2e.conftest import Platform


@pytest.fixture(autouse=True)
def start_over(platform: Platform) -> None:
    """One plain route, whatever the test before has left."""
    assert platform.cli("routes", "set", "llm", "scripted:echo").returncode == 0


def target(platform: Platform, *words: str) -> str:
    return str(platform.json("llm", "explain", "hello", *words)["target"])


def test_a_rule_is_in_force_for_the_next_answer_and_is_brought_back(platform: Platform) -> None:
    assert platform.json("llm", "ask", "hello there")["text"] == "You said: hello there"
    made = platform.json("routes", "set", "llm", "scripted:memory", "--for", "code", "--then", "scripted:echo")
    answer = platform.json("llm", "ask", "hello there", "--for", "code")
    assert (answer["text"], answer["provider"], answer["rule"]) == ("I said: ", "scripted:memory", "code")
    assert answer["route_version"] == made["version"]
    assert platform.json("llm", "ask", "hi")["provider"] == "scripted:echo"
    undone = platform.json("routes", "undo", "llm")
    assert undone["brings_back"] and target(platform, "--for", "code") == "scripted:echo"


def test_everybody_is_in_a_share_of_a_hundred_and_a_removed_rule_answers_no_more(platform: Platform) -> None:
    platform.json("routes", "set", "llm", "scripted:memory", "--share", "99", "--name", "pilot")
    rules = {r["name"]: r["share"] for r in platform.json("routes", "list")[1]["rules"]}
    assert rules == {"pilot": 99, "default": 100}
    platform.json("routes", "remove", "llm", "pilot")
    assert target(platform) == "scripted:echo"


def test_a_partner_is_asked_only_where_its_user_says_so(platform: Platform) -> None:
    platform.json("routes", "set", "llm", "scripted:acme", "--then", "scripted:echo")
    told = platform.json("llm", "explain", "hello")
    assert [(c["target"], c["needs_consent"]) for c in told["candidates"]] == [
        ("scripted:acme", True),
        ("scripted:echo", False),
    ]
    asked = platform.json("llm", "ask", "hello", code=1)
    assert asked["consent_needed"] == {"vendor": "acme", "provider": "scripted:acme"} and not asked["text"]
    named = platform.json("llm", "ask", "hello", "--model", "scripted:acme")
    assert (named["text"], named["speaks_as"], named["tier"]) == ("You said: hello", "Acme", "partner")
    assert float(named["usage"]["cost_usd"]) > 0
    private = platform.json("llm", "explain", "hello", "--label", "device-only")
    assert (
        private["target"] == "scripted:echo" and "may not leave the device" in private["candidates"][0]["passed_over"]
    )


def test_what_was_said_of_a_vendor_for_good_is_shown_and_taken_back(platform: Platform) -> None:
    platform.json("routes", "set", "llm", "scripted:acme", "--then", "scripted:echo")
    assert platform.json("llm", "consent") == {"consents": {}}
    assert platform.json("llm", "consent", "acme", "never") == {"consents": {"acme": "never"}}
    told = platform.json("llm", "explain", "hello")
    assert told["target"] == "scripted:echo" and "never" in told["candidates"][0]["passed_over"]
    platform.json("llm", "consent", "acme", "always")
    assert platform.json("llm", "ask", "hello")["provider"] == "scripted:acme"
    assert platform.json("llm", "consent", "acme", "ask") == {"consents": {}}
    assert platform.json("llm", "explain", "hello")["candidates"][0]["needs_consent"]
    wrong = platform.cli("llm", "consent", "acme", "nevr")
    assert wrong.returncode == 2 and "did you mean 'never'?" in wrong.stderr
    half = platform.cli("llm", "consent", "acme")
    assert half.returncode == 2 and "consent acme always, never or ask" in half.stderr


def test_who_cannot_do_it_is_told_with_the_reason(platform: Platform) -> None:
    platform.json("routes", "set", "llm", "compatible:big", "--then", "scripted:echo")
    told = platform.json("llm", "explain", "hello", "--for", "web")
    assert told["target"] == "scripted:echo"
    assert told["candidates"][0]["passed_over"] == "it does not look into the web"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("compatible:x", "--set", "base_url=http://192.0.2.7/v1"), "PARLANCE_CATALOGUE"),
        (("compatible:unpriced",), "has no prices: write prices: [{since:"),
        (("anthropic:claude-haiku-5",), "did you mean 'anthropic:claude-haiku-5-5'"),
        (("compatible:big", "--set", "api_key_env=NO_SUCH_KEY"), "NO_SUCH_KEY"),
        (
            ("scripted:echo", "--then", "scripted:acme", "--residency", "eu", "--for", "web,vison"),
            "did you mean 'vision'",
        ),
        (("scripted:acme", "--for", "web", "--residency", "mars"), "promises to work in 'mars'"),
        (("scripted:acme", "--for", "code"), "is for code"),
    ],
)
def test_what_cannot_be_routed_to_is_refused_and_nothing_changes(
    platform: Platform, words: tuple[str, ...], said: str
) -> None:
    before = platform.json("routes")
    done = platform.cli("routes", "set", "llm", *words)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert platform.json("routes") == before


def test_a_missing_key_names_its_variable(platform: Platform) -> None:
    done = platform.cli("routes", "set", "llm", "anthropic:claude-haiku-5-5")
    assert done.returncode == 2 and "ANTHROPIC_API_KEY is not set" in done.stderr and "secrets.env" in done.stderr


def test_a_file_of_secrets_is_read_while_it_runs_and_only_where_its_owner_alone_may(platform: Platform) -> None:
    file = platform.home / "secrets.env"
    file.write_text("ANTHROPIC_API_KEY=canary-4711\n")
    file.chmod(0o644)
    done = platform.cli("routes", "set", "llm", "anthropic:claude-haiku-5-5")
    assert done.returncode == 2 and f"chmod 600 {file}" in done.stderr
    file.chmod(0o600)
    made = platform.cli("routes", "set", "llm", "anthropic:claude-haiku-5-5")
    assert made.returncode == 0, made.stderr
    assert "canary" not in platform.log + made.stdout + done.stderr
    file.unlink()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("models:\n  compatible:mine: {teir: house}\n", "compatible:mine: unknown field 'teir' (did you mean 'tier'?)"),
        ("models: {'scripted:*': {tier: hause}}", "did you mean 'house'"),
        ("models: {'scripted:*': {context_tokens: much}}", "is a whole number"),
        ("models: {compatible:x: {tier: house}}", "context_tokens and max_output_tokens and capabilities must be told"),
        ("models:\n\t- x", "is no YAML"),
        ("modles: {}", "holds 'models:'"),
    ],
)
def test_a_catalogue_with_a_typo_is_told_at_the_start(
    own_platform: Platform, tmp_path: Path, content: str, said: str
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    own_platform.extra["PARLANCE_CATALOGUE"] = str(file)
    done = own_platform.cli("run")
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert str(file) in done.stderr and said in done.stderr and "Traceback" not in done.stderr


def test_nothing_running_is_told(own_platform: Platform) -> None:
    for words in (("llm", "ask", "hi"), ("llm", "explain", "hi"), ("routes", "undo", "llm")):
        assert own_platform.cli(*words).returncode == 3
