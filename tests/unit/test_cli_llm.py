"""`parlance llm`: what is asked of the platform, and what is shown of what it says."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from parlance import cli_llm
from parlance.errors import InvalidRequest
from parlance.v1.gateway_service_pb2 import AskModelResponse, ExplainAnswerResponse
from parlance.v1.llm_service_pb2 import (
    AnswerBegan,
    AnswerFinished,
    AnswerRequest,
    AnswerResponse,
    Candidate,
    Citation,
    ConsentNeeded,
    ExplainResponse,
    Finish,
)
from parlance.v1.turn_pb2 import Capability, Label, Tier

LUNA = "openai:gpt-6-luna"
BEGAN = AnswerResponse(
    began=AnswerBegan(provider=LUNA, route_version="v3", rule="web", tier=Tier.TIER_PARTNER, speaks_as="ChatGPT")
)
PNG = b"\x89PNG\r\n\x1a\n more"


def finished(**fields: Any) -> AnswerResponse:
    fields.setdefault("finish", Finish.FINISH_STOP)
    return AnswerResponse(finished=AnswerFinished(input_tokens=12, output_tokens=4, cost_nanos=4_200_000, **fields))


class Platform:
    def __init__(self) -> None:
        self.asked: list[AnswerRequest] = []
        self.says: list[AnswerResponse] = [
            BEGAN,
            *(AnswerResponse(text=t) for t in ("a quark ", "is small")),
            finished(),
        ]
        self.explains = ExplainResponse()

    async def streamed(self, method: str, request: Any) -> AsyncGenerator[AskModelResponse, None]:
        assert method == "AskModel"
        self.asked.append(request.request)
        for part in self.says:
            yield AskModelResponse(part=part)

    async def ask(self, method: str, request: Any) -> ExplainAnswerResponse:
        assert method == "ExplainAnswer"
        self.asked.append(request.explain.request)
        return ExplainAnswerResponse(explained=self.explains)


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Platform:
    made = Platform()
    monkeypatch.setattr(cli_llm, "streamed", made.streamed)
    monkeypatch.setattr(cli_llm, "from_running", made.ask)
    return made


def run(*words: str) -> int:
    """The exit code."""
    return get_command(cli_llm.llm_app).main([*words], standalone_mode=False) or 0


def test_an_answer_is_shown_with_who_gave_it_and_what_it_cost(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    platform.says.insert(3, AnswerResponse(citation=Citation(url="https://example.org/q", title="Quarks")))
    assert run("ask", "what", "is", "a quark", "--for", "web", "--label", "device-only") == 0
    out, err = capsys.readouterr()
    assert out == "a quark is small\n  Quarks: https://example.org/q\n"
    assert err.strip() == f"{LUNA} · rule web · partner · v3 · 12 tokens in, 4 out · $0.0042"
    (request,) = platform.asked
    assert request.messages[0].text == "what is a quark" and request.target == ""
    assert (request.capability, request.label) == (Capability.CAPABILITY_WEB, Label.LABEL_DEVICE_ONLY)


def test_json_tells_all_of_an_answer(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ask", "hi", "--model", LUNA, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["text"], told["provider"], told["speaks_as"]) == ("a quark is small", LUNA, "ChatGPT")
    assert (told["rule"], told["tier"], told["route_version"], told["finish"]) == ("web", "partner", "v3", "stop")
    assert (told["usage"]["input_tokens"], told["usage"]["cost_usd"]) == (12, "0.0042")
    assert platform.asked[0].target == LUNA and told["consent_needed"] is None


def test_who_needs_the_users_word_is_told_with_what_gives_it(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    platform.says = [AnswerResponse(consent_needed=ConsentNeeded(vendor="openai", speaks_as="ChatGPT", provider=LUNA))]
    assert run("ask", "hi") == 1
    assert f"ChatGPT would answer ({LUNA})" in (err := capsys.readouterr().err) and f"--model {LUNA}" in err
    assert run("ask", "hi", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["text"], told["usage"], told["consent_needed"]) == ("", None, {"vendor": "openai", "provider": LUNA})


def test_a_refusal_is_no_answer(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    platform.says = [BEGAN, finished(finish=Finish.FINISH_REFUSAL, estimated=True)]
    assert run("ask", "hi") == 1
    assert "about 12 tokens in" in (err := capsys.readouterr().err) and err.strip().endswith("refusal")


def test_pictures_are_sent_as_what_they_are(platform: Platform, tmp_path: Path) -> None:
    for name, data in (("a", PNG), ("b.png", b"\xff\xd8\xff jpeg"), ("c", b"RIFF1234WEBPVP8 ")):
        (tmp_path / name).write_bytes(data)
    run("ask", "what is this", *(word for n in ("a", "b.png", "c") for word in ("--image", str(tmp_path / n))))
    kinds = [image.media_type for image in platform.asked[0].messages[0].images]
    assert kinds == ["image/png", "image/jpeg", "image/webp"] and platform.asked[0].messages[0].images[0].data == PNG


def test_an_explanation_lists_everybody_with_the_reason(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    platform.explains = ExplainResponse(
        route_version="v3",
        target=LUNA,
        candidates=[
            Candidate(target="compatible:home", rule="a", tier=Tier.TIER_DEVICE, passed_over="it sees no images"),
            Candidate(target=LUNA, rule="b", tier=Tier.TIER_PARTNER, needs_consent=True, most_nanos=1_500_000),
        ],
    )
    assert run("explain", "hi", "--for", "vision") == 0
    out = " ".join(capsys.readouterr().out.split())
    for words in (f"{LUNA} would answer (route v3)", "it sees no images", "only if its user says so", "$0.0015"):
        assert words in out
    run("explain", "hi", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["target"] == LUNA and [c["passed_over"] for c in told["candidates"]] == ["it sees no images", None]
    assert told["candidates"][1] | {"passed_over": 0} == {
        "target": LUNA,
        "rule": "b",
        "tier": "partner",
        "passed_over": 0,
        "needs_consent": True,
        "most_usd": "0.0015",
    }


def test_where_nobody_would_answer_that_is_said(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    platform.explains = ExplainResponse(route_version="v3")
    assert run("explain", "hi") == 0
    assert "nobody would answer" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ask", " "), "has words"),
        (("ask", "hi", "--for", "wbe"), "did you mean 'web'"),
        (("explain", "hi", "--label", "devce-only"), "did you mean 'device-only'"),
        (("ask", "hi", "--image", "/nowhere.png"), "cannot be read"),
        (("ask", "hi", "--image", __file__), "no PNG, JPEG, WebP or GIF"),
    ],
)
def test_what_makes_no_sense_is_told_before_anybody_is_asked(
    platform: Platform, words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(InvalidRequest, match=said):
        run(*words)
    assert not platform.asked
