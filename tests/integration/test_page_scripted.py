"""The page in a browser, against a gateway that answers by script: no model, no bus."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from services.gateway.web import Web
from tests.integration.page_browser import ask, does, needs_browser, opened, sound_after, until
from tests.integration.page_fake import Scripted

pytestmark = [pytest.mark.browser, needs_browser]


@dataclass
class Served:
    url: str
    port: int
    service: Scripted
    task: "asyncio.Task[None]"

    def played(self) -> list[Any]:
        return [r.played for r in self.service.seen if r.HasField("played")]


async def _serve(port: int) -> Served:
    service, ready = Scripted(), asyncio.Event()
    task = asyncio.create_task(Web(service, port).run(ready))
    await ready.wait()
    return Served(f"http://127.0.0.1:{port}/", port, service, task)


async def _end(served: Served) -> None:
    served.task.cancel()
    await asyncio.wait([served.task])


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    made = await _serve(port)
    yield made
    await _end(made)


async def test_a_reply_is_shown_and_what_has_sounded_is_reported(served: Served) -> None:
    async with opened(served.url) as page:
        await ask(page, "hello there")
        await does(page, "interrupt")
        await does(page, "talk")
        assert await page.locator(".you").inner_text() == "hello there"
        assert "clause number 0" in await page.locator(".reply").inner_text()
        assert "from your contacts" in await page.locator(".source").inner_text()
        await page.locator("#turn-waited").get_by_text("from Enter to the first sound").wait_for()
        assert await page.locator("#waterfall tbody tr").count() >= 3
        assert await page.locator("#history li").count() == 1
    reports = served.played()
    assert [r.ms for r in reports] == sorted(r.ms for r in reports)
    assert all(b.ms - a.ms <= 500 for a, b in pairwise(reports))
    assert reports[-1].all and abs(reports[-1].ms - 2000) <= 1 and not any(r.all for r in reports[:-1])


async def test_an_interruption_silences_at_once_and_strikes_what_was_never_said(served: Served) -> None:
    async with opened(served.url) as page:
        await ask(page, "a long one")
        await until(page, "heard.filter((b) => b.peak > 0.1).length > 60")  # 1.3 s of sound
        cut_ms = await page.evaluate("(document.getElementById('talk').click(), performance.now())")
        await page.locator("del").first.wait_for()
        await does(page, "talk")
        assert await sound_after(page, cut_ms + 80) == 0.0
        reply = page.locator(".reply")
        before = await reply.inner_html()
        assert "clause number 0 of the answer. </span>" in before.split("<del")[0]
        await ask(page, "hello")
        await does(page, "interrupt")
        assert await reply.first.inner_html() == before
    kinds = [r.WhichOneof("message") for r in served.service.seen]
    last = max(i for i, kind in enumerate(kinds[: kinds.index("interrupt")]) if kind == "played")
    assert last == kinds.index("interrupt") - 1
    assert 1000 < served.service.seen[last].played.ms < 2600 and not served.service.seen[last].played.all


async def test_a_turn_whose_words_left_the_device_is_marked_with_where_to(served: Served) -> None:
    async with opened(served.url) as page:
        await ask(page, "hello there")
        await page.locator("#waterfall tbody tr").first.wait_for()
        assert await page.locator("#waterfall .left").count() == 0
        await ask(page, "send it away")
        await page.locator("#waterfall .left").wait_for()
        assert await page.locator("#waterfall .left").all_inner_texts() == ["left this device: api.example.org"]


async def test_escape_interrupts(served: Served) -> None:
    async with opened(served.url) as page:
        await ask(page, "a long one")
        await does(page, "interrupt")
        await page.keyboard.press("Escape")
        await page.get_by_text("Interrupted.").wait_for()
        await does(page, "talk")


async def test_what_nobody_asked_for_is_shown_and_sounds(served: Served) -> None:
    async with opened(served.url) as page:
        await ask(page, "soon")
        await page.locator(".bell").wait_for()
        await until(page, "heard.some((b) => b.peak > 0.1)")
        await served.service.until(lambda: any(r.turn_id == "unasked1" and r.all for r in served.played()))


async def test_a_microphone_that_is_refused_is_explained(served: Served) -> None:
    async with opened(served.url) as page:
        await page.evaluate(
            "void (navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError') })"
        )
        await page.get_by_role("button", name="Talk").click()
        await page.get_by_role("alert").get_by_text("Allow it beside the page's address").wait_for()
        await does(page, "talk")


async def test_space_talks_once_it_is_pressed_or_while_it_is_held(served: Served) -> None:
    async with opened(served.url) as page:
        await page.keyboard.down(" ")
        await does(page, "done")
        await page.keyboard.press("Shift", delay=400)
        await page.keyboard.up(" ")
        await does(page, "talk")
        await served.service.until(lambda: any(r.HasField("audio_end") for r in served.service.seen))
        frames = [r.audio for r in served.service.seen if r.HasField("audio")]
        assert frames and all(len(frame) == 640 for frame in frames[:-1])
        await page.keyboard.press(" ", delay=30)
        await does(page, "done")
        await page.keyboard.press(" ", delay=30)
        await does(page, "talk")


async def test_space_in_the_text_field_is_a_space(served: Served) -> None:
    async with opened(served.url) as page:
        await page.get_by_label("Type a question").press_sequentially("a b")
        assert await page.get_by_label("Type a question").input_value() == "a b"
        await does(page, "talk")


async def test_the_page_comes_back_when_the_server_does(served: Served) -> None:
    async with opened(served.url) as page:
        await ask(page, "a long one")
        await does(page, "interrupt")
        await _end(served)
        await page.get_by_text("Not connected").wait_for()
        await page.get_by_text("The connection broke off").wait_for()
        again = await _serve(served.port)
        try:
            await page.get_by_text("Connected", exact=True).wait_for()
            await ask(page, "hello")
            await does(page, "interrupt")
        finally:
            await _end(again)


@pytest.mark.parametrize("width", [320, 390, 600, 1200])
async def test_nothing_sticks_out_sideways(served: Served, width: int) -> None:
    async with opened(served.url, viewport={"width": width, "height": 800}) as page:
        await ask(page, "long" + "w" * 200)
        await page.locator("#waterfall tbody tr").first.wait_for()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
