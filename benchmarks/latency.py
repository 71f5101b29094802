"""From the end of speech to the first sound of the answer, with the real default models, part by part.

python -m benchmarks.latency [--repeats N]

Recordings of examples/audio are sent as fast as they sound, in automatic listening, over gRPC. End of speech is the
last voiced sample, as the voice activity saw it. Parts are read from the log: hang-over (silence that decides that
speech has ended), recognition beyond it, understanding, action, voice; the rest is hops, sockets and rounding.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks import report
from benchmarks.asking import RATE_HZ, Answered, Asking
from benchmarks.process import ROOT, Platform
from benchmarks.report import p50, p95, verdict
from parlance.audio import resample
from parlance.bus_journal import JournalBus
from parlance.client import Client
from parlance.events import EVENT_CLASSES, TOPICS, kind, parse, payload, topic_of
from parlance.outgoing import BEGAN
from parlance.v1.gateway_service_pb2 import ImportRequest
from parlance.v1.reply_pb2 import Outcome

SPOKEN = (
    "what-time-is-it-in-tokyo",
    "what-is-seven-times-twelve",
    "put-milk-on-my-shopping-list",
    "whats-on-my-shopping-list",
    "when-is-my-next-meeting",
    "what-is-annas-number",
)
PARTS = ("hang-over", "recognition", "understanding", "action", "voice")
RESIDUE_MS = 10.0
_TOPICS = ("speech.v1", "intent.v1", "reply.v1", "voice.v1")


@dataclass(slots=True)
class Seen:
    """An event of a turn. Wall microseconds: when work on it began, and when it stood in the log."""

    event: Any
    began_us: int
    at_us: int


def samples_of(name: str) -> NDArray[np.int16]:
    samples, rate = soundfile.read(ROOT / f"examples/audio/{name}.wav", dtype="int16")
    return samples if rate == RATE_HZ else resample(samples, rate, RATE_HZ)


async def _import(client: Client) -> None:
    for what, file in (("contacts", "contacts.vcf"), ("calendar", "calendar.ics")):
        content = (ROOT / "examples" / file).read_bytes()
        await client.ask("Import", ImportRequest(kind=what, content=content, source=file))


async def _speak(address: str, repeats: int) -> list[Answered]:
    done = []
    async with Client(address) as client:
        await _import(client)
        async with Asking(client) as asking:
            await asking.spoken(samples_of(SPOKEN[0]))  # warms up
            for _ in range(repeats):
                for name in SPOKEN:
                    done.append(await asking.spoken(samples_of(name)))
                    await asyncio.sleep(0.5)
    return done


async def _log(journal: Path) -> dict[str, dict[str, Seen]]:
    """By turn and kind of event, the first of each; read beside the process that owns the journal."""
    bus = JournalBus(journal, owner=False)
    bus.declare([topic_of(cls) for cls in EVENT_CLASSES])
    await bus.start()
    found: dict[str, dict[str, Seen]] = {}
    for topic in _TOPICS:
        for partition in range(TOPICS[topic].partitions):
            for record in await bus.read(topic, partition, 0, 100_000):
                event = parse(topic, record.value)
                began = int(dict(record.headers).get(BEGAN, b"0"))
                seen = Seen(event, began, record.ts_us)
                found.setdefault(event.header.turn_id, {}).setdefault(kind(event), seen)
    await bus.stop()
    return found


def parts_of(answered: Answered, seen: dict[str, Seen]) -> dict[str, float]:
    """Milliseconds. `whole`: from the last voiced sample to the first sound at the client."""
    final, spoken = seen["final"], payload(seen["spoken"].event)
    whole = (answered.first_audio_us - final.event.header.asked_at_us) / 1000
    made = {
        "hang-over": float(final.event.final.hangover_ms),
        "recognition": float(final.event.final.recognition_ms),
        "understanding": (seen["recognized"].at_us - seen["recognized"].began_us) / 1000,
        "action": (seen["clause"].at_us - seen["clause"].began_us) / 1000,
        "voice": spoken.first_audio_us / 1000,
    }
    made["rest"] = whole - sum(made.values())
    return {**made, "whole": whole, "by the file": (answered.first_audio_us - answered.last_loud_us) / 1000}


def measure(repeats: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(Path(folder) / "home")
        try:
            platform.start()
            answered = asyncio.run(_speak(platform.address, repeats))
            log = asyncio.run(_log(platform.journal))
        finally:
            platform.end()
    good = [a for a in answered if a.outcome == Outcome.OUTCOME_ANSWERED]
    return numbers([parts_of(a, log[a.turn_id]) for a in good], len(answered))


def numbers(turns: Sequence[dict[str, float]], asked: int) -> dict[str, Any]:
    names = (*PARTS, "rest", "whole", "by the file")
    spread = {name: {"p50": p50([t[name] for t in turns]), "p95": p95([t[name] for t in turns])} for name in names}
    residues = [abs(t["rest"]) for t in turns]
    return {
        "turns": asked,
        "answered": len(turns),
        "parts_ms": spread,
        "residue_ms": {"p50": p50(residues), "p95": p95(residues), "max": max(residues)},
        "explained_within_10_ms": sum(r <= RESIDUE_MS for r in residues) / len(residues),
    }


def show(told: dict[str, Any]) -> None:
    rows = [[name, spread["p50"], spread["p95"]] for name, spread in told["parts_ms"].items()]
    report.table(
        f"End of speech to first sound, {told['answered']} of {told['turns']} turns (ms)", ("", "p50", "p95"), rows
    )
    residue = told["residue_ms"]["p50"]
    print(f"\n  what the parts leave unexplained: p50 {residue:.1f} ms, max {told['residue_ms']['max']:.1f} ms")
    print(f"  within 10 ms: {told['explained_within_10_ms']:.0%} of the turns; p50 {verdict(residue, RESIDUE_MS)}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeats", type=int, default=3, help="of six recordings")
    given = arguments.parse_args()
    told = measure(given.repeats)
    show(told)
    report.save("latency", told)


if __name__ == "__main__":
    main()
