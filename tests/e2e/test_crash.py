"""kill -9 in the middle of a turn: after the restart every accepted turn has one end, and every effect exists once."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from parlance import config
from parlance.errors import ParlanceError
from parlance.v1.gateway_service_pb2 import Hello
from parlance.v1.reply_pb2 import Outcome, Settlement
from services.rerun import Verdict, rerun, understanding
from tests.e2e.conftest import Platform
from tests.e2e.conversation import Conversation, conversation, route
from tests.e2e.test_interrupt import speech

KILLS = 20
SPOKEN = "put quince on my shopping list"
# What is asked, and the longest time from there to the kill.
ASKS = (
    ("put item{n} on my shopping list", 0.03),
    ("set a timer for {n} hours", 0.03),
    ("tell me a story, number {n}", 0.6),
    ("what is seven times {n}", 0.02),
    ("put item{n} on my shopping list", 0.01),
    ("", 0.3),
)


@pytest.mark.timeout(300)
async def test_after_kill_9_at_random_points_nothing_is_lost_or_doubled(own_platform: Platform) -> None:
    accepted = await _killed_again_and_again(own_platform)
    await asyncio.to_thread(own_platform.start)
    async with conversation(own_platform.grpc_address) as talk:
        # Set before the first kill, due long ago: now that somebody is here, it is said, once.
        await talk.until(lambda: _fired(talk))
        turns = await _all_ended(own_platform)
        assert set(accepted) <= {t["turn_id"] for t in turns}
        shown = [await talk.answered(ask) for ask in ("what is on my shopping list", "what timers do I have")]
        assert len(_fired(talk)) == 1
        told = [await talk.told(t["turn_id"]) for t in turns]
    _one_end_each(told)
    _effects_once(told, " ".join(shown))
    assert own_platform.end() == 0
    await _run_again(own_platform, [t["turn_id"] for t in turns])


async def _killed_again_and_again(platform: Platform) -> list[str]:
    """The turns that were accepted, as the clients were told."""
    dice, accepted = random.Random(20), []
    await asyncio.to_thread(platform.start)
    # Providers that load at once: what is tried here is everything else.
    await route(platform.grpc_address, "tts", "tone:")
    await route(platform.grpc_address, "speech", "scripted:", text=SPOKEN)
    await route(platform.grpc_address, "llm", "scripted:story", chunk_delay_s="0.005")
    async with conversation(platform.grpc_address, Hello(one_turn=True)) as talk:
        await talk.answered("set a timer for 2 seconds")
    for n in range(KILLS):
        # Spoken ones first, for a turn whose sound is lost ends only when it has had a minute to be heard.
        words, most = ASKS[-1] if n < 3 else ASKS[n % (len(ASKS) - 1)]
        async with _torn(platform) as talk:
            if words:
                accepted.append(await talk.ask(words.format(n=n + 2)))
            else:
                talk.audio(speech()[:60_000])
                accepted.append(await talk.next_turn())
            await asyncio.sleep(dice.uniform(0, most))
            platform.kill()
        if n < KILLS - 1:
            await asyncio.to_thread(platform.start)
    return accepted


@asynccontextmanager
async def _torn(platform: Platform) -> AsyncIterator[Conversation]:
    """A conversation whose platform dies in it."""
    hello = Hello(one_turn=True, sample_rate_hz=16000)
    with suppress(ParlanceError):
        async with conversation(platform.grpc_address, hello) as talk:
            yield talk


def _fired(talk: Conversation) -> list[Any]:
    return [c for c in talk.of("clause") if "2 second timer is done" in c.text]


async def _all_ended(platform: Platform) -> list[dict[str, Any]]:
    async with asyncio.timeout(75):
        while True:
            turns: list[dict[str, Any]] = await asyncio.to_thread(platform.json, "turns", "--limit", "100")
            if all(t["outcome"] for t in turns):
                return turns
            await asyncio.sleep(1)


def _one_end_each(told: list[Any]) -> None:
    for turn in told:
        ends = [s for s in turn.steps if s.event == "TurnCompleted"]
        assert len(ends) == 1, turn
    print("outcomes:", dict(Counter(Outcome.Name(t.summary.outcome) for t in told)))


def _effects_once(told: list[Any], shown: str) -> None:
    """What the ends of the turns say of their acts is what the lists show, once each."""
    done: Counter[str] = Counter()
    for turn in told:
        words = turn.summary.text.split()
        for call in turn.calls:
            if call.action in ("list.add", "timer.set") and "2 seconds" not in turn.summary.text:
                item = words[1] if call.action == "list.add" else f"timer for {words[4]} hours"
                done[item] += call.settlement == Settlement.SETTLEMENT_DONE
    assert len(done) > KILLS // 3, "most of them were done after the restart"
    for item, times in done.items():
        assert times <= 1 or item == "quince", done
        assert len(re.findall(rf"\b{item}\b", shown)) == bool(times), (item, times, shown)


async def _run_again(platform: Platform, turn_ids: list[str]) -> None:
    """Every one of them again from the journal: the same bytes, or it says why that cannot be known."""
    settings = replace(config.load(), home=platform.home)
    understand = await understanding(settings)
    verdicts: list[Verdict] = [await rerun(settings, turn_id, understand) for turn_id in turn_ids]
    for verdict in verdicts:
        assert verdict.same or verdict.why_not, verdict
    unknown = [v for v in verdicts if v.why_not]
    print(f"run again: {len(verdicts) - len(unknown)} of {len(verdicts)} the same, {len(unknown)} not verifiable")
    assert len(unknown) <= len(verdicts) // 2
    done = await asyncio.to_thread(platform.cli, "replay", "turn", turn_ids[0], "--verify")
    assert done.returncode == 0, done.stdout + done.stderr
