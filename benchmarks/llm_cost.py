"""What an answer costs the llm process, and how much later its tokens come, beside the SDKs alone."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from benchmarks import report
from benchmarks.llm_child import cpu_ms
from benchmarks.llm_scene import Scene, tell
from benchmarks.llm_wire import CHUNKS, VENDORS, Order
from benchmarks.report import p50, p99, verdict

# The answer whose cost is told; the one whose first token is; and those that come at the pace of a fast model.
PLAIN, SHORT, PACED = Order(), Order(n=3, gap_us=3000), Order(n=100, gap_us=10_000, clock=True)
STREAMS = 10
LIST, JOURNAL, TYPED, RAW, PEER = "Parlance", "Parlance, journal", "SDK typed", "SDK raw", "LiteLLM's proxy"
_EVENTS = {LIST: "list", JOURNAL: "journal"}
_SDKS = {TYPED: "typed", RAW: "raw", PEER: "peer"}
RAW_MS, TYPED_MS, FIRST_P50_MS, FIRST_P99_MS, PACED_MS = 6.4, 9.0, 2.5, 6.0, 10.0


@dataclass(slots=True)
class Round:
    """Milliseconds. `cpu`: of an answer, all threads; `paced_cpu`: of one of 100 tokens, ten at once."""

    cpu: float = 0.0
    first: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    paced_cpu: float = 0.0


# By vendor, by form.
Found = dict[str, dict[str, list[Round]]]


async def measure(scene: Scene, rounds: int, answers: int) -> dict[str, Any]:
    found: Found = {vendor: {form: [] for form in _forms(scene, vendor)} for vendor in VENDORS}
    for n in range(rounds + 1):
        for vendor, forms in found.items():
            for form, kept in forms.items():
                made = await _round(scene, vendor, form, answers)
                if n:  # the first round warms up
                    kept.append(made)
        tell(f"cost: round {n} of {rounds}")
    return numbers(found)


def _forms(scene: Scene, vendor: str) -> tuple[str, ...]:
    peer = (PEER,) if scene.peer is not None and vendor in scene.peer.vendors else ()
    return (LIST, TYPED, JOURNAL, RAW, *peer)


async def _round(scene: Scene, vendor: str, form: str, answers: int) -> Round:
    ours = form in _EVENTS
    if ours:
        await scene.asker.route(f"{vendor}:good")
        await scene.llm.ask(events=_EVENTS[form])
    block = _ours if ours else _theirs(vendor, form)
    made = Round()
    _, made.cpu = await block(scene, PLAIN, answers, 1)
    if form in (LIST, TYPED, PEER):
        heard, _ = await block(scene, SHORT, answers, 1)
        made.first = [one["first_ms"] for one in heard]
    if form in (LIST, TYPED):
        heard, made.paced_cpu = await block(scene, PACED, 1, STREAMS)
        made.late = [late for one in heard for late in one["late_ms"]]
    return made


async def _ours(scene: Scene, order: Order, times: int, at_once: int) -> tuple[list[dict[str, Any]], float]:
    async def lane() -> list[dict[str, Any]]:
        heard = [await scene.asker.ask(order) for _ in range(times)]
        assert all(one.finished and len(one.text) == order.n for one in heard), "an answer was not whole"
        return [{"first_ms": one.first_ms, "late_ms": one.late_ms} for one in heard]

    before = cpu_ms(scene.llm.pid)
    heard = [one for lane in await asyncio.gather(*(lane() for _ in range(at_once))) for one in lane]
    await scene.llm.ask()  # its events are out
    return heard, (cpu_ms(scene.llm.pid) - before) / len(heard)


def _theirs(vendor: str, form: str) -> Any:
    async def block(scene: Scene, order: Order, times: int, at_once: int) -> tuple[list[dict[str, Any]], float]:
        words = {"n": order.n, "gap_us": order.gap_us, "clock": order.clock}
        before = scene.peer.cpu_ms() if scene.peer and form == PEER else 0.0
        told = await scene.sdks.ask(vendor=vendor, form=_SDKS[form], order=words, times=times, at_once=at_once)
        heard: list[dict[str, Any]] = told["heard"]
        assert form == PEER or all(one["pieces"] == order.n for one in heard), f"{vendor} {form}: not whole"
        if scene.peer and form == PEER:
            return heard, (scene.peer.cpu_ms() - before) / len(heard)
        return heard, told["cpu_ms"]

    return block


def numbers(found: Found) -> dict[str, Any]:
    """Medians over the rounds; differences are of rounds that ran side by side."""
    told: dict[str, Any] = {"rounds": len(found[VENDORS[0]][LIST]), "vendors": {}}
    for vendor, forms in found.items():
        ours, typed = forms[LIST], forms[TYPED]
        pairs = list(zip(ours, typed, strict=True))
        told["vendors"][vendor] = {
            "cpu_ms": {form: p50([r.cpu for r in rounds]) for form, rounds in forms.items()},
            "cpu_over_sdk_typed": p50([a.cpu / b.cpu for a, b in pairs]),
            "cpu_over_sdk_raw": p50([a.cpu / b.cpu for a, b in zip(ours, forms[RAW], strict=True)]),
            "first_p50_ms": {
                form: p50([p50(r.first) for r in rounds]) for form, rounds in forms.items() if rounds[0].first
            },
            "first_added_p50_ms": p50([p50(a.first) - p50(b.first) for a, b in pairs]),
            "first_added_p99_ms": p50([p99(a.first) - p99(b.first) for a, b in pairs]),
            "paced_late_p99_ms": {form: p50([p99(r.late) for r in forms[form]]) for form in (LIST, TYPED)},
            "paced_added_p99_ms": p50([p99(a.late) - p99(b.late) for a, b in pairs]),
            "paced_cpu_ms": {form: p50([r.paced_cpu for r in forms[form]]) for form in (LIST, TYPED)},
        }
    return told


def show(told: dict[str, Any]) -> None:
    of = told["vendors"]
    forms = list(dict.fromkeys(form for one in of.values() for form in one["cpu_ms"]))
    rows = [[vendor, *(one["cpu_ms"].get(form, "-") for form in forms)] for vendor, one in of.items()]
    report.table(f"CPU-ms of an answer of {CHUNKS} chunks, gRPC in to SSE upstream", ("", *forms), rows)
    columns = ("", "added p50", "added p99", *(f"{form} p50" for form in (LIST, TYPED, PEER)))
    rows = [
        [vendor, one["first_added_p50_ms"], one["first_added_p99_ms"]]
        + [one["first_p50_ms"].get(form, "-") for form in (LIST, TYPED, PEER)]
        for vendor, one in of.items()
    ]
    report.table("To the first token (ms)", columns, rows)
    columns = ("", "added p99", "Parlance p99", "SDK typed p99", "Parlance CPU-ms", "SDK typed CPU-ms")
    rows = [
        [vendor, one["paced_added_p99_ms"], *one["paced_late_p99_ms"].values(), *one["paced_cpu_ms"].values()]
        for vendor, one in of.items()
    ]
    report.table(f"{STREAMS} streams of 100 tokens/s at once: from upstream to the asker (ms)", columns, rows)


def goals(told: dict[str, Any]) -> list[list[Any]]:
    made = []
    for vendor, one in told["vendors"].items():
        cpu = one["cpu_ms"][LIST]
        made += [
            [f"{vendor}: CPU-ms of an answer, raw events", cpu, f"<= {RAW_MS}", verdict(cpu, RAW_MS)],
            _goal(f"{vendor}: first token later, p50 ms", one["first_added_p50_ms"], FIRST_P50_MS),
            _goal(f"{vendor}: first token later, p99 ms", one["first_added_p99_ms"], FIRST_P99_MS),
            _goal(f"{vendor}: ten streams later, p99 ms", one["paced_added_p99_ms"], PACED_MS),
        ]
    return made


def _goal(name: str, value: float, goal: float) -> list[Any]:
    return [name, value, f"<= {goal}", verdict(value, goal)]
