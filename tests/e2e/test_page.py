"""The page as a person uses it: a browser with a microphone and a loudspeaker, on the running platform."""

import re
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Platform
from tests.e2e.words import normalised, transcribe
from tests.integration.page_browser import ask, does, heard, microphone, needs_browser, opened, sound_after, until

pytestmark = [pytest.mark.browser, pytest.mark.models, needs_browser]

AUDIO = ROOT / "examples/audio"
SEVEN_TIMES_TWELVE = re.compile(r"(seven|7) times (twelve|12)", re.IGNORECASE)  # Whisper writes either
WAITED = r"/^You waited -?\d+ ms from (Enter|your last word) to the first sound\.$/"


async def test_a_typed_question_is_answered_and_its_way_is_shown(platform: Platform) -> None:
    async with opened(platform.http_url) as page:
        await ask(page, "what is seven times twelve")
        await page.locator(".reply").get_by_text("84").wait_for()
        await does(page, "talk")
        await until(page, f"{WAITED}.test(document.getElementById('turn-waited').textContent)")
        steps = await page.locator("#waterfall tbody th").all_inner_texts()
        for step in ("gateway accepted", "intent understood", "dialogue clause", "tts clause spoken", "page first"):
            assert any(text.startswith(step) for text in steps), steps
        await page.locator("#history").get_by_text("answered").first.wait_for()


async def test_a_spoken_question_is_heard_and_answered_aloud(platform: Platform, tmp_path: Path) -> None:
    wav = microphone(AUDIO / "what-is-seven-times-twelve.wav", tmp_path / "microphone.wav")
    async with opened(platform.http_url, wav) as page:
        await page.get_by_role("button", name="Talk").click()
        await page.locator(".you:not(.unsure)").get_by_text(SEVEN_TIMES_TWELVE).wait_for()
        await page.locator(".reply").get_by_text("84").wait_for()
        await does(page, "done")
        await until(page, f"{WAITED}.test(document.getElementById('turn-waited').textContent)")
        await page.get_by_role("button", name="Done").click()
        await does(page, "talk")
        words = normalised(transcribe(await heard(page, tmp_path / "reply.wav")))
    assert "84" in words


async def test_a_reply_that_is_interrupted_is_cut_and_stays_cut(platform: Platform) -> None:
    async with opened(platform.http_url) as page:
        await ask(page, "tell me a story about the sea")
        await until(page, "heard.filter((b) => b.peak > 0.02).length > 40")
        moment = await page.evaluate("(document.getElementById('talk').click(), performance.now())")
        await page.locator("del").first.wait_for()
        await does(page, "talk")
        assert await sound_after(page, moment + 80) == 0.0
        reply = await page.locator(".reply").inner_html()
        await ask(page, "what is seven times twelve")
        await page.locator(".reply").nth(1).get_by_text("84").wait_for()
        await does(page, "talk")
        assert await page.locator(".reply").first.inner_html() == reply


async def test_a_voice_cuts_into_a_reply(platform: Platform, tmp_path: Path) -> None:
    wav = microphone(AUDIO / "what-is-seven-times-twelve.wav", tmp_path / "microphone.wav", lead_s=4.0)
    async with opened(platform.http_url, wav) as page:
        await page.get_by_role("button", name="Talk").click()
        await does(page, "done")
        await ask(page, "tell me a story about the sea")
        await until(page, "heard.filter((b) => b.peak > 0.02).length > 10")
        await page.locator(".exchange").first.get_by_text("Interrupted.").wait_for()
        assert await page.locator(".reply").first.locator("del").count() > 0
        await page.locator(".reply").nth(1).get_by_text("84").wait_for()


async def test_a_timer_goes_off_unasked_and_is_spoken(platform: Platform, tmp_path: Path) -> None:
    async with opened(platform.http_url) as page:
        await ask(page, "set a timer for three seconds")
        await page.locator(".bell").wait_for()
        await page.locator(".exchange", has=page.locator(".bell")).get_by_text("timer").wait_for()
        await does(page, "interrupt")
        await does(page, "talk")
        said = transcribe(await heard(page, tmp_path / "all.wav")).lower()
    assert "timer is done" in said or "timer" in said.split(".")[-2]
