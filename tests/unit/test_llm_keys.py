"""Keys and addresses of vendors: from where they come, and who may read them."""

from pathlib import Path

import pytest

from parlance import config
from parlance.errors import InvalidRequest
from services.llm.keys import filled

KEY = "sk-canary-1234"


def fill(provider: str, settings: dict[str, str], **variables: str) -> dict[str, str]:
    return filled(provider, settings, lambda name: variables.get(name, ""))


@pytest.mark.parametrize(
    ("provider", "key", "address"),
    [
        ("anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
        ("openai", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
        ("google", "GEMINI_API_KEY", "GEMINI_BASE_URL"),
        ("google", "GOOGLE_API_KEY", "GEMINI_BASE_URL"),
    ],
)
def test_a_vendors_own_variables_say_key_and_address(provider: str, key: str, address: str) -> None:
    assert fill(provider, {}, **{key: KEY}) == {"api_key": KEY}
    both = fill(provider, {"cache": "1h"}, **{key: KEY, address: "http://127.0.0.1:9"})
    assert both == {"cache": "1h", "api_key": KEY, "base_url": "http://127.0.0.1:9"}
    assert fill(provider, {}, **{address: "http://127.0.0.1:9"}) == {"base_url": "http://127.0.0.1:9"}


def test_a_routes_settings_go_before() -> None:
    variables = {"OPENAI_API_KEY": "other", "OPENAI_BASE_URL": "http://other", "MINE": KEY}
    asked = {"base_url": "http://127.0.0.1:9", "api_key_env": "MINE"}
    assert fill("openai", asked, **variables) == {"base_url": "http://127.0.0.1:9", "api_key": KEY}


def test_a_vendors_key_goes_nowhere_that_a_route_names_by_itself() -> None:
    assert fill("openai", {"base_url": "http://elsewhere"}, OPENAI_API_KEY=KEY) == {"base_url": "http://elsewhere"}
    assert fill("anthropic", {"front": "bedrock"}, ANTHROPIC_API_KEY=KEY) == {"front": "bedrock"}
    assert fill("compatible", {"base_url": "http://elsewhere"}, OPENAI_API_KEY=KEY) == {"base_url": "http://elsewhere"}


@pytest.mark.parametrize(
    ("provider", "settings", "named"),
    [
        ("anthropic", {}, "ANTHROPIC_API_KEY is not set"),
        ("google", {}, "GEMINI_API_KEY or GOOGLE_API_KEY is not set"),
        ("compatible", {"base_url": "http://127.0.0.1:1", "api_key_env": "HOUSE_KEY"}, "HOUSE_KEY is not set"),
        ("openai", {"api_key": KEY}, "api_key_env=NAME"),
    ],
)
def test_a_missing_key_is_named_by_its_variable(provider: str, settings: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidRequest, match=named) as told:
        fill(provider, settings)
    assert KEY not in told.value.message


def written(folder: Path, text: str, rights: int = 0o600) -> Path:
    file = folder / "secrets.env"
    file.write_text(text)
    file.chmod(rights)
    return file


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PARLANCE_HOME", str(tmp_path))
    monkeypatch.delenv("PARLANCE_SECRETS_FILE", raising=False)
    for name in ("MY_KEY", "OTHER_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_file_of_secrets_is_read_in_the_home(home: Path) -> None:
    written(home, f"# a comment\n\nMY_KEY={KEY}\nexport OTHER_KEY = 'a=b'\nEMPTY=\n")
    assert (config.secret("MY_KEY"), config.secret("OTHER_KEY")) == (KEY, "a=b")
    assert (config.secret("EMPTY"), config.secret("NOBODY"), config.secret("")) == ("", "", "")


def test_no_file_of_secrets_is_none(home: Path) -> None:
    assert config.secret("MY_KEY") == ""


def test_the_environment_goes_before_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(home, "MY_KEY=file\nOTHER_KEY=file\n")
    monkeypatch.setenv("MY_KEY", "environment")
    monkeypatch.setenv("OTHER_KEY", "")
    assert (config.secret("MY_KEY"), config.secret("OTHER_KEY")) == ("environment", "file")


def test_another_file_can_be_named(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.mkdir()
    written(home, "MY_KEY=home\n")
    monkeypatch.setenv("PARLANCE_SECRETS_FILE", str(written(other, "MY_KEY=other\n")))
    assert config.secret("MY_KEY") == "other"


@pytest.mark.parametrize("rights", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_a_file_that_others_may_read_is_refused_with_what_mends_it(home: Path, rights: int) -> None:
    file = written(home, f"MY_KEY={KEY}\n", rights)
    with pytest.raises(InvalidRequest, match=f"chmod 600 {file}") as told:
        config.secret("MY_KEY")
    assert KEY not in told.value.message


@pytest.mark.parametrize("line", [KEY, f"={KEY}", f"MY-KEY={KEY}"])
def test_a_line_that_makes_no_sense_is_named_by_its_number_alone(home: Path, line: str) -> None:
    file = written(home, f"OTHER_KEY=1\n{line}\n")
    with pytest.raises(InvalidRequest, match=f"{file}, line 2") as told:
        config.secret("MY_KEY")
    assert KEY not in told.value.message
