"""A key is in the environment, in the file of secrets and in an address, and nowhere else: not in what is written,
told or shown, however its vendor answers. (Spans are made of the events that are scanned here.)"""

import base64
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Platform
from tests.e2e.vendor_stub import vendor
from tests.ports import free_port

# A key of each place.
ENVIRONMENT, SECRET, PASSWORD, HOUSE = (f"canary-{place}-8f3a61" for place in ("env", "file", "pass", "house"))
BROKEN = "canary-broken 8f3a61"
CANARIES = (ENVIRONMENT, SECRET, PASSWORD, HOUSE, BROKEN)
QUESTION = "why is the sky blue"


def traces(text: bytes) -> list[str]:
    """The keys that stand in it, as they are or in base64, wherever in it."""
    return [c for c in CANARIES if any(form in text for form in _forms(c.encode()))]


def _forms(key: bytes) -> Iterator[bytes]:
    yield key
    for before in range(3):
        yield base64.b64encode(b"x" * before + key)[4 if before else 0 : -4]


def scan(folder: Path, *, but: str) -> dict[str, list[str]]:
    """By file, what was found; `but`: the name of the file where keys belong."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != but and (seen := traces(path.read_bytes())):
            found[str(path)] = seen
    return found


def test_a_key_stands_nowhere_but_where_it_was_put(own_platform: Platform, tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="the extra `llm` is not installed")
    platform, metrics, told = own_platform, f"127.0.0.1:{free_port()}", list[str]()

    def run(*words: str | Path) -> int:
        done = platform.cli(*words)
        told.append(done.stdout + done.stderr)
        return done.returncode

    with vendor() as stub:
        root = stub.url.removesuffix("/v1")
        platform.home.mkdir(parents=True)
        secrets = platform.home / "secrets.env"
        secrets.touch(0o600)
        secrets.write_text(f"OPENAI_API_KEY={SECRET}\nOPENAI_BASE_URL={stub.url}\nGEMINI_API_KEY={SECRET}\n")
        platform.extra |= {
            "ANTHROPIC_API_KEY": ENVIRONMENT,
            "ANTHROPIC_BASE_URL": root,
            "GEMINI_BASE_URL": root.replace("://", f"://anna:{PASSWORD}@"),
            "HOUSE_KEY": HOUSE,
            "BROKEN_KEY": BROKEN,
            "PARLANCE_LOG": "debug",
            "PARLANCE_METRICS": metrics,
        }
        platform.start()
        at = ("--set", f"base_url={stub.url}", "--set")
        assert run("routes", "set", "llm", "compatible:bad", *at, "api_key_env=BROKEN_KEY") == 2
        assert run("routes", "set", "llm", "compatible:house", *at, "api_key_env=HOUSE_KEY") == 0
        for status in (200, 401, 500, 307):
            stub.status, stub.echo = status, True
            run("ask", QUESTION)
            for name in ("anthropic:claude-haiku-5-5", "openai:gpt-6-luna", "google:gemini-3.8-flash"):
                run("llm", "ask", QUESTION, "--model", name)
        assert set(CANARIES) - {BROKEN} == set(traces("".join(stub.keys).encode()))
        turn = platform.json("turns")[0]["turn_id"]
        for words in (
            ("routes", "list", "--json"),
            ("llm", "explain", QUESTION, "--json"),
            ("turns", "--json"),
            ("turn", turn, "--json"),
            ("usage", "--json"),
            ("egress", "--json"),
            ("stats", "--json"),
            ("dlq",),
            ("doctor",),
        ):
            run(*words)
        assert run("replay", "record", "--out", tmp_path / "a.replay", "--plain") == 0
        assert run("replay", "record", "--out", tmp_path / "b.replay") == 0
        shown = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, check=True).stdout
        with urllib.request.urlopen(f"http://{metrics}/metrics", timeout=5) as page:
            counted = page.read()
        assert platform.end() == 0
        platform.extra["HOUSE_KEY"], platform.log_file = BROKEN, tmp_path / "second.log"
        platform.start()
        assert run("ask", QUESTION) == 1
        assert run("llm", "ask", QUESTION) == 2 and "the key holds a space" in told[-1]
        assert platform.end() == 0
    assert b"compatible:house" in counted and b"parlance.cli" in shown and "Traceback" not in "".join(told)
    assert scan(tmp_path, but="secrets.env") == {}
    assert {name: traces(text) for name, text in (("ps", shown), ("metrics", counted))} == {"ps": [], "metrics": []}
    assert traces("".join(told).encode()) == []
    logs = [path.read_text() for path in tmp_path.glob("*.log")]
    assert len(logs) == 2 and QUESTION not in "".join(logs), "nor does the log hold what was asked"


@pytest.mark.parametrize("canary", CANARIES)
def test_a_key_that_is_planted_is_found(tmp_path: Path, canary: str) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/journal.db").write_bytes(b"\0\xff" + canary.encode() + b"\0")
    (tmp_path / "told").write_bytes(base64.b64encode(b"anna:" + canary.encode()))
    (tmp_path / "secrets.env").write_text(canary)
    (tmp_path / "else").write_text(canary[:-1])
    found = scan(tmp_path, but="secrets.env")
    assert found == {str(tmp_path / "deep/journal.db"): [canary], str(tmp_path / "told"): [canary]}
