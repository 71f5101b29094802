"""A browser for the page's tests: headless Chromium, a WAV as its microphone, and an ear on what the page plays."""

import asyncio
import base64
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for name in NAMES if (path := shutil.which(name))), None)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason=f"needs one of {', '.join(NAMES)} on the PATH")

# Beside the loudspeaker: everything that reaches it, with the moment (performance.now) at which each block came by.
_EAR = """
const connect = AudioNode.prototype.connect;
window.heard = [];
AudioNode.prototype.connect = function (to, ...rest) {
  if (to instanceof AudioDestinationNode && !(this instanceof ScriptProcessorNode)) {
    window.rate = this.context.sampleRate;
    const ear = (this.context.ear ??= this.context.createScriptProcessor(1024, 1, 1));
    ear.onaudioprocess = ({ inputBuffer }) => {
      const samples = inputBuffer.getChannelData(0).slice();
      const peak = samples.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
      window.heard.push({ at: performance.now(), peak, samples });
    };
    connect.call(this, ear);
    connect.call(ear, to);
  }
  return connect.call(this, to, ...rest);
};
"""
_HEARD = """() => {
  const bytes = new Uint8Array(window.heard.reduce((sum, block) => sum + block.samples.byteLength, 0));
  let at = 0;
  for (const { samples } of window.heard) {
    bytes.set(new Uint8Array(samples.buffer), at);
    at += samples.byteLength;
  }
  let text = "";
  for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  return { rate: window.rate, text: btoa(text) };
}"""


def microphone(wav: Path, to: Path, lead_s: float = 1.0) -> Path:
    """The WAV as a microphone plays it: a browser loses the first 230 ms, and speech ends in silence."""
    sound, rate = soundfile.read(wav, dtype="float32", always_2d=True)
    mono = soxr.resample(sound.mean(axis=1), rate, 48000)
    soundfile.write(to, np.concatenate([np.zeros(int(48000 * lead_s)), mono, np.zeros(72000)]), 48000, subtype="PCM_16")
    return to


@asynccontextmanager
async def browser(wav: Path | None = None) -> AsyncIterator[Browser]:
    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    if wav is not None:
        flags.append(f"--use-file-for-fake-audio-capture={wav}%noloop")
    if os.geteuid() == 0:
        flags.append("--no-sandbox")
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield made
        await made.close()


@asynccontextmanager
async def opened(url: str, wav: Path | None = None, **settings: Any) -> AsyncIterator[Page]:
    """The page, connected. At the end nothing may have gone wrong in it."""
    wrong: list[str] = []
    async with browser(wav) as chromium:
        context = await chromium.new_context(permissions=["microphone"], **settings)
        page = await context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if _is_wrong(said) else None)
        await page.add_init_script(_EAR)
        await page.goto(url)
        await page.get_by_text("Connected", exact=True).wait_for()
        try:
            yield page
        except BaseException:
            print("the page said:", await page.locator("body").inner_text())
            raise
    assert not wrong


def _is_wrong(said: ConsoleMessage) -> bool:
    """A server that is gone is not the page's fault."""
    return said.type == "error" and "WebSocket connection to" not in said.text


async def does(page: Page, what: str) -> None:
    """Waits until the button says so: talk, done, cancel or interrupt."""
    await page.locator(f"#talk[data-does={what}]").wait_for()


async def ask(page: Page, text: str) -> None:
    await page.get_by_label("Type a question").fill(text)
    await page.get_by_label("Type a question").press("Enter")


async def until(page: Page, condition: str, timeout_s: float = 15) -> Any:
    """Waits until this expression of the page is true; wait_for_function would need eval, which the page forbids."""
    async with asyncio.timeout(timeout_s):
        while not (value := await page.evaluate(condition)):
            await asyncio.sleep(0.02)
    return value


async def heard(page: Page, to: Path) -> Path:
    """Writes all that reached the loudspeaker."""
    got = await page.evaluate(_HEARD)
    soundfile.write(to, np.frombuffer(base64.b64decode(got["text"]), np.float32), int(got["rate"]))
    return to


async def sound_after(page: Page, moment_ms: float) -> float:
    """The loudest sample from this moment of the page on, once another 1.5 s have come by."""
    await until(page, f"window.heard.at(-1)?.at > {moment_ms + 1500}")
    peak = await page.evaluate(f"Math.max(...heard.filter((b) => b.at > {moment_ms}).map((b) => b.peak))")
    return float(peak)
