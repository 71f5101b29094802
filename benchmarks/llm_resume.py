"""Resume in mid-answer: the stream is cut at any byte, another vendor goes on, and the words are compared."""

import random
from typing import Any

from benchmarks import report
from benchmarks.llm_asker import Heard
from benchmarks.llm_scene import Scene, tell
from benchmarks.llm_upstream import length_of
from benchmarks.llm_wire import VENDORS, Order, pieces
from benchmarks.report import verdict
from parlance.errors import ParlanceError

# It goes on exactly, begins again, or says the last words (one, two or five) once more.
KINDS = ("exactly", "again", "repeats")


async def measure(scene: Scene, tries: int) -> dict[str, Any]:
    chance = random.Random(2)
    kinds = {kind: {"cuts": 0, "resumed": 0, "wrong": 0} for kind in KINDS}
    wrong: list[dict[str, Any]] = []
    for n in range(tries):
        kind, (first, then) = KINDS[n % len(KINDS)], chance.sample(VENDORS, 2)
        order = Order(seed=n + 1, goes_on=kind)
        order = Order(seed=n + 1, goes_on=kind, cut=chance.randrange(length_of(first, order)))
        await scene.asker.route(f"{first}:cut", f"{then}:other")
        said, heard = await _asked(scene, order)
        kinds[kind]["cuts"] += 1
        kinds[kind]["resumed"] += heard is not None and len(heard.providers) > 1
        if said != "".join(pieces(order)).split():
            kinds[kind]["wrong"] += 1
            wrong.append({"seed": order.seed, "cut": order.cut, "first": first, "then": then, "goes_on": kind})
        if n % 200 == 0:
            tell(f"resume: {n} of {tries}")
    return {"kinds": kinds, "wrong": wrong}


async def _asked(scene: Scene, order: Order) -> tuple[list[str], Heard | None]:
    try:
        heard = await scene.asker.ask(order)
    except ParlanceError as exc:
        tell(f"resume: {order} ended with {exc}")
        return [], None
    return "".join(heard.text).split() if heard.finished else [], heard


def show(told: dict[str, Any]) -> None:
    rows = [[kind, *one.values()] for kind, one in told["kinds"].items()]
    report.table("Answers cut at a random byte", ("who goes on", "cuts", "gone on with", "wrong words"), rows)


def goals(told: dict[str, Any]) -> list[list[Any]]:
    wrong = sum(one["wrong"] for one in told["kinds"].values())
    return [["answers with a word repeated or lost", wrong, "0", verdict(wrong, 0)]]
