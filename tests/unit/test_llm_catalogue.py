"""The catalogue of models: what it knows, what it refuses, and a file of one's own over it."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from parlance.errors import InvalidRequest
from parlance.v1.control_pb2 import LlmTarget
from parlance.v1.turn_pb2 import Tier
from services.llm import catalogue
from services.llm.model import CAPABILITIES, Model

FREE = "prices: [{since: 2026-01-01, input: 0, output: 0, cache_read: 0, cache_write: 0}]"
ENTRY = f"tier: house, context_tokens: 8000, max_output_tokens: 1000, capabilities: [chat], {FREE}"


def own(folder: Path, text: str) -> Path:
    file = folder / "own.yaml"
    file.write_text(text)
    return file


def entry(folder: Path, fields: str, name: str = "compatible:mine") -> catalogue.Catalogue:
    return catalogue.load(own(folder, f"models:\n  {name}: {{{fields}}}\n"))


def target(name: str, base_url: str = "") -> LlmTarget:
    return LlmTarget(target=name, settings={"base_url": base_url} if base_url else {})


def found(of: catalogue.Catalogue, name: str, base_url: str = "") -> Model:
    model = of.find(target(name, base_url))
    assert model is not None
    return model


def test_the_shipped_one_knows_the_vendors_models_with_tier_prices_and_abilities() -> None:
    shipped = catalogue.load()
    haiku = found(shipped, "anthropic:claude-haiku-5-5")
    assert (haiku.vendor, haiku.speaks_as, haiku.wire_name) == ("anthropic", "Claude", "claude-haiku-5-5")
    assert haiku.tier == Tier.TIER_PARTNER and {"chat", "tools", "vision"} <= haiku.capabilities
    prices = haiku.prices_on(date(2026, 11, 30))
    assert prices is not None and (prices.input, prices.output) == (Decimal("0.1"), Decimal("0.5"))
    assert {m.name.partition(":")[0] for m in shipped.models} >= {"anthropic", "openai", "google", "compatible"}
    assert all(m.prices and m.tier and m.capabilities <= set(CAPABILITIES) for m in shipped.models)


def test_a_price_that_changes_is_dated() -> None:
    argon = found(catalogue.load(), "google:gemini-4-argon")
    before, after = argon.prices_on(date(2026, 11, 30)), argon.prices_on(date(2026, 12, 1))
    assert before is not None and after is not None and after.input == 2 * before.input
    assert argon.prices_on(date(2020, 1, 1)) is None


def test_what_stands_for_many_names_gives_each_its_own() -> None:
    shipped = catalogue.load()
    assert found(shipped, "scripted:story").wire_name == "story"
    assert found(shipped, "unconfigured:").name == "unconfigured:"
    assert shipped.find(target("anthropic:claude-x")) is None and shipped.find(target("")) is None


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/v1", "http://localhost:1/v1", "http://[::1]:8000/v1"])
def test_any_server_on_this_machine_may_be_asked_without_an_entry(url: str) -> None:
    model = found(catalogue.load(), "compatible:whatever", url)
    assert model.tier == Tier.TIER_DEVICE and model.prices[0].output == 0


@pytest.mark.parametrize("url", ["http://192.0.2.1/v1", "http://localhost.example:1/v1", "http://127.0.0.1@192.0.2.1/"])
def test_a_server_elsewhere_needs_an_entry_and_the_error_says_so(url: str) -> None:
    shipped = catalogue.load()
    asked = target("compatible:whatever", url)
    assert shipped.find(asked) is None
    for word in ("compatible:whatever", "base_url", "PARLANCE_CATALOGUE", "tier", "prices"):
        assert word in shipped.missing(asked)


def test_an_entry_of_ones_own_gives_a_server_elsewhere_its_tier_at_its_address_alone(tmp_path: Path) -> None:
    made = entry(tmp_path, f"{ENTRY}, base_url: 'http://models.house:8000/v1', api_key_env: HOUSE_KEY")
    mine = found(made, "compatible:mine")
    assert mine.tier == Tier.TIER_HOUSE
    assert dict(mine.settings) == {"base_url": "http://models.house:8000/v1", "api_key_env": "HOUSE_KEY"}
    assert found(made, "compatible:mine", "http://models.house:8000/v1") == mine
    assert made.find(target("compatible:mine", "http://elsewhere.example/v1")) is None
    assert "models.house" in made.missing(target("compatible:mine", "http://elsewhere.example/v1"))
    assert found(made, "compatible:mine", "http://127.0.0.1:8000/v1").tier == Tier.TIER_DEVICE


@pytest.mark.parametrize(
    "settings", [{"front": ""}, {"front": "vertex"}, {"region": "us-east-1"}, {"inference_geo": "us"}]
)
def test_a_route_does_not_move_a_model_from_where_its_tier_was_told_for(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    settled = "tier: private, residency: [eu], settings: {front: bedrock, region: eu-central-1}"
    made = entry(tmp_path, settled, "anthropic:claude-opus-5-5")
    assert found(made, "anthropic:claude-opus-5-5").settings["region"] == "eu-central-1"
    same = LlmTarget(target="anthropic:claude-opus-5-5", settings={"region": "eu-central-1", "cache": "1h"})
    assert made.find(same) is not None
    moved = LlmTarget(target="anthropic:claude-opus-5-5", settings=settings)
    assert made.find(moved) is None and "front=bedrock" in made.missing(moved)


def test_what_runs_here_is_asked_through_no_proxy_elsewhere() -> None:
    asked = {"base_url": "http://127.0.0.1:8000/v1"}
    near, far = asked | {"proxy": "http://127.0.0.1:3128"}, asked | {"proxy": "http://192.0.2.1:3128"}
    assert catalogue.load().find(LlmTarget(target="compatible:x", settings=near)) is not None
    assert catalogue.load().find(LlmTarget(target="compatible:x", settings=far)) is None


def test_a_vendors_model_is_on_this_machine_only_at_an_address_of_it(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="tier is not device"):
        entry(tmp_path, ENTRY.replace("house", "device"), "anthropic:mine")
    made = entry(tmp_path, f"{ENTRY.replace('house', 'device')}, base_url: 'http://127.0.0.1:8000'", "anthropic:mine")
    assert found(made, "anthropic:mine").tier == Tier.TIER_DEVICE


def test_a_field_of_ones_own_lies_over_the_shipped_entry(tmp_path: Path) -> None:
    made = found(entry(tmp_path, "tier: private, retention_days: 0", "openai:gpt-6-luna"), "openai:gpt-6-luna")
    shipped = found(catalogue.load(), "openai:gpt-6-luna")
    assert (made.tier, made.retention_days, made.prices) == (Tier.TIER_PRIVATE, 0, shipped.prices)


def test_the_version_is_that_of_what_both_files_say(tmp_path: Path) -> None:
    one, two = entry(tmp_path, ENTRY).version, entry(tmp_path, f"{ENTRY}, speaks_as: House").version
    assert catalogue.load().version == catalogue.load().version
    assert len({catalogue.load().version, one, two}) == 3 and all(v.startswith("sha256:") for v in (one, two))


@pytest.mark.parametrize(
    ("lacks", "words"), [("tier: house, ", ("no tier", "tier: device")), (f", {FREE}", ("no prices", "prices: [{"))]
)
def test_without_a_tier_or_prices_nobody_is_routed_there_and_the_file_is_named(
    tmp_path: Path, lacks: str, words: tuple[str, str]
) -> None:
    made = entry(tmp_path, ENTRY.replace(lacks, ""))
    assert made.find(target("compatible:mine")) is None
    told = made.missing(target("compatible:mine"))
    assert all(word in told for word in (*words, str(tmp_path / "own.yaml"), "compatible:mine"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (ENTRY.replace("tier", "teir"), ("teir", "did you mean 'tier'")),
        (ENTRY.replace("house", "hause"), ("tier", "device, house, private, partner", "did you mean 'house'")),
        (ENTRY.replace("[chat]", "[chat, visoin]"), ("capabilities", "did you mean 'vision'")),
        (ENTRY.replace("[chat]", "chat"), ("capabilities", "is a list of chat, tools")),
        (ENTRY.replace("8000", "8k"), ("context_tokens", "whole number", "'8k'")),
        (ENTRY.replace("8000", "0"), ("context_tokens", "at least 1")),
        (ENTRY.replace("context_tokens: 8000, ", ""), ("context_tokens must be told",)),
        (ENTRY.replace("input: 0", "input: -1"), ("prices", "input", "US dollars")),
        (ENTRY.replace("input: 0", "input: NaN"), ("prices", "input")),
        (ENTRY.replace("cache_read", "cache_red"), ("cache_red", "did you mean 'cache_read'")),
        (ENTRY.replace(", cache_write: 0", ""), ("prices", "no cache_write")),
        (ENTRY.replace("2026-01-01", "2026-13-01"), ("prices", "since", "a day such as 2026-11-30")),
        (f"{ENTRY}, shuts_down: soon", ("shuts_down", "a day such as")),
        (f"{ENTRY}, retention_days: -1", ("retention_days", "whole number")),
        (f"{ENTRY}, residency: eu", ("residency", "[eu, us]")),
        (f"{ENTRY}, base_url: models.house", ("base_url", "http://")),
        (f"{ENTRY}, base_url: 'http://me:secret@models.house'", ("base_url", "without a name and a password")),
        (f"{ENTRY}, api_key_env: sk-123", ("api_key_env", "the name of the variable")),
        (f"{ENTRY}, settings: {{api_key: k}}", ("settings", "keeps no keys")),
        (f"{ENTRY.replace('house', 'device')}, base_url: 'http://192.0.2.1/v1'", ("no address of this machine",)),
    ],
)
def test_what_makes_no_sense_is_refused_with_file_entry_field_and_what_is_allowed(
    tmp_path: Path, fields: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidRequest) as told:
        entry(tmp_path, fields)
    for word in (*words, str(tmp_path / "own.yaml"), "compatible:mine"):
        assert word in told.value.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models: [", "is no YAML"),
        ("models:\n  a:b: {tier: house}\n  a:b: {tier: device}\n", "'a:b' stands there twice"),
        ("modles: {}", "holds 'models:'"),
        ("models: [a]", "entries such as"),
        ("models: {nothing: {}}", "PROVIDER:MODEL"),
        ("models: {'a:b': 3}", "holds fields"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_is_wrong_with_it(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        catalogue.load(own(tmp_path, text))


def test_a_file_that_is_not_there_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="PARLANCE_CATALOGUE"):
        catalogue.load(tmp_path / "none.yaml")


def test_a_partner_at_another_address_is_somebody_else() -> None:
    """What a user lets Anthropic see is not what he lets a stranger see who speaks its protocol."""
    known = catalogue.load()
    name = "anthropic:claude-haiku-5-5"
    there = known.find(LlmTarget(target=name, settings={"base_url": "https://models.example:8443"}))
    own, here = (
        known.find(LlmTarget(target=name, settings=settings)) for settings in ({}, {"base_url": "http://127.0.0.1:9"})
    )
    assert there is not None and own is not None and here is not None
    assert (there.vendor, there.retention_days, there.tier) == ("models.example:8443", -1, own.tier)
    assert own.vendor == here.vendor == "anthropic" and own.retention_days == 30
