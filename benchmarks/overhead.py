"""What a typed chat turn costs when all models take 0 ms: from the text at the gateway to the first sound it sends.

python -m benchmarks.overhead [--rounds N] [--turns N]

Beside it, interleaved in one run: three bare hops over the same journal, and the same services with the turn contract
switched off (benchmarks/bare.py). A chat turn is 6 chunks, 3 clauses, 9 pieces of sound.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import bare, report
from benchmarks.report import p50, p99, verdict
from benchmarks.stack import Pieces, Setup, built, running
from benchmarks.typing_device import TypingDevice
from parlance.bus import Out, Record
from parlance.bus_journal import JournalBus
from parlance.events import TopicInfo

HOPS = tuple(TopicInfo(f"bench{n}.v1", 4) for n in range(3))
IN_FLIGHT = 32


@dataclass(slots=True)
class Round:
    """One block of turns, one after the other, and one of many at once. Milliseconds."""

    first: list[float] = field(default_factory=list)
    end: list[float] = field(default_factory=list)
    cpu_ms: float = 0.0
    per_s: float = 0.0


class Hops:
    """Three records, each appended when the one before was delivered: less than that no turn can do with."""

    def __init__(self, bus: JournalBus) -> None:
        self._bus = bus
        self._began = 0.0
        self._took: asyncio.Future[float]
        for info in HOPS:
            bus.subscribe(info.name, [info.name], self._delivered)

    async def once(self) -> float:
        self._took = asyncio.get_running_loop().create_future()
        self._began = time.perf_counter()
        self._append(0)
        return await self._took

    def _append(self, n: int) -> None:
        self._bus.append([Out(HOPS[n].name, 0, b"session", b"x" * 300, (("began_us", b"1234567890123456"),))])

    def _delivered(self, records: list[Record]) -> None:
        for record in records:
            n = 1 + next(n for n, info in enumerate(HOPS) if info.name == record.topic)
            if n < len(HOPS):
                self._append(n)
            else:
                self._took.set_result((time.perf_counter() - self._began) * 1000)


@asynccontextmanager
async def _form(home: Path, contract: bool) -> AsyncIterator[Pieces]:
    setup = Setup(topics=HOPS)
    parts: dict[str, Any] = {} if contract else {"sealing": bare.Unsealed(), "store": bare.Rowless}
    async with built(home, setup, **parts) as pieces:
        if not contract:
            bare.switch_off(pieces)
        async with running(pieces):
            yield pieces


class Bench:
    """One form of the services, with a device that types alone and those that type at once."""

    def __init__(self, pieces: Pieces, contract: bool) -> None:
        self._pieces, self._ids = pieces, nullcontext if contract else bare.random_ids
        self._alone: TypingDevice
        self._many: list[TypingDevice] = []

    async def start(self, stack: AsyncExitStack) -> None:
        devices = [TypingDevice(self._pieces.gateway, f"session-{n}") for n in range(1 + IN_FLIGHT)]
        self._alone, *self._many = [await stack.enter_async_context(d) for d in devices]

    async def round(self, turns: int) -> Round:
        made = Round()
        with self._ids():
            for _ in range(turns):
                asked = await self._alone.ask("how are you today")
                made.first.append(asked.first_audio_ms)
                made.end.append(asked.end_ms)
                await self._pieces.bus.flush()
            each = max(2, turns // 4)
            wall, cpu = time.perf_counter(), time.process_time()
            async with asyncio.TaskGroup() as group:
                for device in self._many:
                    group.create_task(_repeatedly(device, each))
            count = each * IN_FLIGHT
            made.cpu_ms = (time.process_time() - cpu) / count * 1000
            made.per_s = count / (time.perf_counter() - wall)
            await self._pieces.bus.flush()
        return made


async def _repeatedly(device: TypingDevice, times: int) -> None:
    for _ in range(times):
        await device.ask("how are you today")


async def _hops(hops: Hops, bus: JournalBus, count: int) -> Round:
    made = Round()
    for _ in range(count):
        made.first.append(await hops.once())
        await bus.flush()
    return made


async def measure(rounds: int, turns: int) -> dict[str, list[Round]]:
    found: dict[str, list[Round]] = {"whole": [], "contract off": [], "three hops": []}
    async with AsyncExitStack() as stack:
        home, other = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2))
        on = await stack.enter_async_context(_form(home, True))
        off = await stack.enter_async_context(_form(other, False))
        whole, without, hops = Bench(on, True), Bench(off, False), Hops(on.bus)
        await whole.start(stack)
        await without.start(stack)
        for n in range(rounds + 1):
            made = {
                "whole": await whole.round(turns),
                "contract off": await without.round(turns),
                "three hops": await _hops(hops, on.bus, turns),
            }
            for name, result in made.items():
                if n:  # the first round warms up
                    found[name].append(result)
    return found


def numbers(found: dict[str, list[Round]]) -> dict[str, Any]:
    """Medians over the rounds; ratios and differences are of rounds that ran side by side."""
    forms = {
        name: {
            "first_audio_p50_ms": p50([p50(r.first) for r in rounds]),
            "first_audio_p99_ms": p50([p99(r.first) for r in rounds]),
            "end_p50_ms": p50([p50(r.end) for r in rounds]) if rounds[0].end else None,
            "cpu_ms": p50([r.cpu_ms for r in rounds]) if rounds[0].cpu_ms else None,
            "turns_per_s": p50([r.per_s for r in rounds]) if rounds[0].per_s else None,
        }
        for name, rounds in found.items()
    }
    whole, off, hops = ([p50(r.first) for r in found[name]] for name in ("whole", "contract off", "three hops"))
    return {
        "rounds": len(whole),
        "turns_a_round": len(found["whole"][0].first),
        "forms": forms,
        "whole_over_contract_off": p50([a / b for a, b in zip(whole, off, strict=True)]),
        "cpu_over_contract_off": p50(
            [a.cpu_ms / b.cpu_ms for a, b in zip(found["whole"], found["contract off"], strict=True)]
        ),
        "whole_minus_three_hops_ms": p50([a - b for a, b in zip(whole, hops, strict=True)]),
    }


def show(told: dict[str, Any]) -> None:
    columns = ("", "first audio p50", "p99", "to the end p50", "CPU-ms a turn", "turns/s, 32 in flight")
    rows = [[name, *("-" if v is None else v for v in form.values())] for name, form in told["forms"].items()]
    report.table("A typed chat turn, all models at 0 ms (ms)", columns, rows)
    whole = told["forms"]["whole"]
    goals = [
        ("whole / contract off", told["whole_over_contract_off"], 1.25),
        ("whole - three hops, ms", told["whole_minus_three_hops_ms"], 0.8),
        ("first audio p50, ms", whole["first_audio_p50_ms"], 1.2),
        ("CPU-ms a turn", whole["cpu_ms"], 1.3),
    ]
    checked = [[name, value, f"<= {goal}", verdict(value, goal)] for name, value, goal in goals]
    speed = whole["turns_per_s"]
    checked.append(["turns/s in one process", speed, ">= 1,000", verdict(speed, 1000, at_least=True)])
    report.table("Goals", ("", "measured", "goal", ""), checked)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--turns", type=int, default=80, help="a round")
    given = arguments.parse_args()
    told = numbers(uvloop.run(measure(given.rounds, given.turns)))
    show(told)
    report.save("overhead", told)


if __name__ == "__main__":
    main()
