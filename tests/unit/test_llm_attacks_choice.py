"""Ways past consent, money and secrets that are none: of routes, of questions, of what is counted."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from parlance.errors import InvalidRequest, PermissionDenied, Unavailable
from parlance.v1.control_pb2 import LlmTarget, RouteSet
from parlance.v1.llm_service_pb2 import AnswerRequest, CheckLlmRouteRequest, Image, Tool
from parlance.v1.turn_pb2 import Consent, Tier
from services.llm import catalogue
from services.llm.breaker import Breaker
from services.llm.loading import Loading
from services.llm.provider import words_of
from tests.unit.llm_desk import Desk, call, own_catalogue, question, scripted, targets

PARTNER: dict[str, Any] = {"tier": "partner", "vendor": "acme", "input": "1", "output": "5"}
HOUSE: dict[str, Any] = {"tier": "house", "vendor": "own", "input": "1", "output": "5"}
_UNSAID = Consent.CONSENT_UNSPECIFIED
LONG = "Rain fell on the old harbour that night, and nobody slept until the morning."


async def test_who_was_told_no_is_not_asked_again_for_the_same_question(tmp_path: Path) -> None:
    models = own_catalogue(tmp_path, far=dict(PARTNER))
    desk = Desk(targets(scripted(tmp_path, "far"), LlmTarget(target="scripted:echo")), models=models)
    async with desk.service:
        (asked,) = await desk.parts_of(question("hello"))
        assert asked.consent_needed.vendor == "acme"
        parts = await desk.parts_of(question("hello", refused=["acme"]), "c2")
        assert parts[0].began.provider == "scripted:echo"
        desk.route = targets(scripted(tmp_path, "far"))
        with pytest.raises(PermissionDenied, match="the user does not let acme see this"):
            await desk.parts_of(question("hello", refused=["acme"]), "c3")


@pytest.mark.parametrize("why", ["failover", "resume", "hedge"])
async def test_an_answer_that_began_in_the_house_goes_on_at_no_partner_without_a_word_of_its_user(
    tmp_path: Path, why: str
) -> None:
    models = own_catalogue(tmp_path, house=dict(HOUSE), far=dict(PARTNER))
    line = {"text": LONG, "fail_after": 4 if why == "resume" else 0}
    house = scripted(tmp_path, "house", answers=[line], first_delay_s=0.1)
    house.hedge_ms = 10 if why == "hedge" else 0
    route = targets(house, scripted(tmp_path, "far", answers=[{"text": LONG}]))
    silent, never, always = (
        Desk(route, models=models, consent=lambda user, vendor, said=said: said if vendor == "acme" else _UNSAID)  # type: ignore[misc]
        for said in (_UNSAID, Consent.CONSENT_NEVER, Consent.CONSENT_ALWAYS)
    )
    for desk in (silent, never):
        async with desk.service:
            with pytest.raises(Unavailable):
                await desk.ask()
        assert {u.provider for u in desk.of("usage")} == {"scripted:house"}
    async with always.service:
        assert await always.text() == LONG
    assert {u.provider for u in always.of("usage")} == {"scripted:house", "scripted:far"}


async def test_what_a_house_model_said_of_somebody_is_hidden_from_the_partner_who_goes_on(tmp_path: Path) -> None:
    """The words that were told already go to the partner too."""
    models = own_catalogue(tmp_path, house=dict(HOUSE), far=dict(PARTNER))
    told = "Her address is anna@example.org and nobody else has it at all"
    house = scripted(tmp_path, "house", answers=[{"text": told, "fail_after": 8}])
    far = scripted(tmp_path, "far", answers=[{"text": told.replace("anna@example.org", "EMAIL_1")}])
    desk = Desk(targets(house, far), models=models)
    seen: list[AnswerRequest] = []
    begins = desk.service._choosing.begins

    def watched(attempt: Any, *args: Any) -> None:
        begins(attempt, *args)
        seen.append(attempt.request)

    desk.service._choosing.begins = watched  # type: ignore[method-assign]
    async with desk.service:
        parts = await desk.parts_of(question("her address?", consents=["acme"]))
    assert "".join(p.text for p in parts) == told
    assert "anna@example.org" not in str(seen[1]) and "EMAIL_1" in str(seen[1])


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "http://anna:canary@127.0.0.1:8000/v1"},
        {"base_url": "http://canary@127.0.0.1:8000/v1"},
        {"base_url": "http://127.0.0.1:8000/v1", "proxy": "http://anna:canary@127.0.0.1:3128"},
        {"base_url": "http://anna:canary@192.0.2.7:8000/v1"},
        {"base_url": "http://127.0.0.1:8000/v1", "api_key": "canary"},
        {"base_url": "http://127.0.0.1:8000/v1", "api_key_env": "canary secret"},
    ],
)
async def test_a_route_keeps_no_key_and_says_none(settings: dict[str, str]) -> None:
    desk = Desk(secrets={"canary secret": ""})
    route = RouteSet(stage="llm", target="compatible:x", settings=settings)
    async with desk.service:
        with pytest.raises(InvalidRequest, match=r"api_key_env|variable") as refused:
            async for _ in desk.service.check_llm_route(CheckLlmRouteRequest(route=route), call()):
                pass
    assert "canary@" not in refused.value.message and ":canary" not in refused.value.message


def test_two_partners_that_speak_one_protocol_are_two(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    rest = (
        "context_tokens: 1000, max_output_tokens: 100, capabilities: [chat], "
        "prices: [{since: 2026-01-01, input: 1, output: 1, cache_read: 0, cache_write: 0}]"
    )
    file.write_text(
        f"models:\n  compatible:a: {{tier: partner, base_url: 'https://a.example/v1', {rest}}}\n"
        f"  compatible:b: {{tier: partner, base_url: 'https://b.example/v1', {rest}}}\n"
        f"  compatible:c: {{tier: partner, vendor: cee, base_url: 'https://b.example/v1', {rest}}}\n"
    )
    found = [catalogue.load(file).find(LlmTarget(target=f"compatible:{n}")) for n in "abc"]
    assert [m.vendor for m in found if m is not None] == ["a.example", "b.example", "cee"]
    assert all(m is not None and m.tier == Tier.TIER_PARTNER for m in found)


def test_what_is_counted_by_us_counts_all_that_is_sent() -> None:
    plain = words_of(question("what is it"))
    assert plain == 4
    assert words_of(question("雨" * 3000)) > 1000, "who writes no spaces writes words all the same"
    pictured = question("what is it")
    pictured.messages[0].images.append(Image(media_type="image/png", data=b"x"))
    assert words_of(pictured) >= plain + 1000
    tool = Tool(name="look", description="Looks. " * 100, parameters='{"type": "object"}')
    assert words_of(question("what is it", tools=[tool])) >= plain + 100


async def test_of_two_who_come_at_once_one_alone_tries_a_broken_target(tmp_path: Path) -> None:
    clock = [0.0]
    breaker = Breaker(lambda: clock[0], failures=1)
    breaker.ended("scripted:one", Unavailable("no"))
    clock[0] = 100.0
    one = scripted(tmp_path, "one", answers=[{"text": "Well."}], first_delay_s=0.2)
    desk = Desk(targets(one), breaker=breaker)

    class Slowly(Loading):
        async def provider(self, *of: Any) -> Any:
            await asyncio.sleep(0.05)
            return await super().provider(*of)

    desk.service._loading = Slowly(lambda name: "")
    async with desk.service:
        ends = await asyncio.gather(*(desk.ask(call_id=f"c{n}") for n in range(5)), return_exceptions=True)
    assert len(desk.of("usage")) == 1 and sum(isinstance(end, Unavailable) for end in ends) == 4


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"base_url": "http://[bad/v1"}, "base_url"),
        ({"base_url": "http://127.0.0.1:99999999/v1"}, "base_url"),
        ({"base_url": "http://127.0.0.1:8000/v1", "proxy": "http://[bad"}, "proxy"),
        ({"base_url": "file:///etc/passwd"}, "base_url"),
    ],
)
async def test_an_address_that_is_none_is_told(settings: dict[str, str], said: str) -> None:
    desk, route = Desk(), RouteSet(stage="llm", target="compatible:x", settings=settings)
    async with desk.service:
        with pytest.raises(InvalidRequest, match=said):
            async for _ in desk.service.check_llm_route(CheckLlmRouteRequest(route=route), call()):
                pass


async def test_no_table_leaves_a_plain_question_to_who_holds_no_conversations(tmp_path: Path) -> None:
    models = own_catalogue(tmp_path, web={**PARTNER, "capabilities": ["web"]})
    desk = Desk(models=models)
    async with desk.service:
        with pytest.raises(InvalidRequest, match="is for chat"):
            route = targets(LlmTarget(target="scripted:web"))
            async for _ in desk.service.check_llm_route(CheckLlmRouteRequest(route=route), call()):
                pass


async def test_a_model_that_has_become_a_partner_needs_its_users_word(tmp_path: Path) -> None:
    """The route was set when it was one of the house."""
    route = targets(scripted(tmp_path, "one"))
    before = Desk(route, models=own_catalogue(tmp_path, one=dict(HOUSE)))
    async with before.service:
        assert await before.text("hello") == "You said: hello"
    after = Desk(route, models=own_catalogue(tmp_path, one=dict(PARTNER)))
    async with after.service:
        (asked,) = await after.ask()
    assert asked.consent_needed.vendor == "acme" and not after.of("usage")
