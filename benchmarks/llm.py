"""What language models cost and how soon they answer, stop and give way: gRPC in, the vendors' protocols upstream.

python -m benchmarks.llm [--rounds N] [--answers N] [--only PART,...] [--peer VENV]

The llm service, the SDKs alone, and an upstream that speaks all four protocols (OpenAI's chat as `compatible` has it,
and Responses; Anthropic's Messages; Gemini's generateContent) are processes of their own, asked in interleaved rounds.
Parts: cost (CPU, first token, ten streams at once), cancel (barge-in), failover, resume, memory.
`--peer`: a virtual environment that has LiteLLM's proxy (pip install 'litellm[proxy]'); without it, that is left out.
"""

import argparse
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import llm_cancel, llm_cost, llm_failover, llm_memory, llm_resume, report
from benchmarks.llm_scene import Scene, scene

Measure = Callable[[Scene, argparse.Namespace], Awaitable[dict[str, Any]]]


PARTS: dict[str, tuple[Measure, Any]] = {
    "cost": (lambda at, given: llm_cost.measure(at, given.rounds, given.answers), llm_cost),
    "cancel": (lambda at, given: llm_cancel.measure(at, given.tries), llm_cancel),
    "failover": (lambda at, given: llm_failover.measure(at, given.tries // 4), llm_failover),
    "resume": (lambda at, given: llm_resume.measure(at, given.tries), llm_resume),
    "memory": (lambda at, given: llm_memory.measure(at, given.memory_answers), llm_memory),
}


async def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Each part with processes of its own: what one leaves behind is not the other's."""
    told: dict[str, Any] = {}
    for name in given.only:
        async with scene(given.peer if name == "cost" else None) as at:
            told[name] = await PARTS[name][0](at, given)
    return told


def _parts(names: str) -> list[str]:
    found = names.split(",")
    if unknown := [name for name in found if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"no part {', '.join(unknown)}; there are: {', '.join(PARTS)}")
    return found


def _venv(path: str) -> Path:
    if not (Path(path) / "bin" / "litellm").exists():
        raise argparse.ArgumentTypeError(f"{path} has no LiteLLM: {path}/bin/pip install 'litellm[proxy]'")
    return Path(path).absolute()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--answers", type=int, default=100, help="a round, of each vendor and form")
    arguments.add_argument("--tries", type=int, default=1000, help="cancels, and cuts; of failovers a quarter of it")
    arguments.add_argument("--memory-answers", type=int, default=10_000)
    arguments.add_argument("--only", type=_parts, default=list(PARTS), metavar="PART,...", help="these parts alone")
    arguments.add_argument("--peer", type=_venv, metavar="VENV", help="where LiteLLM's proxy is installed")
    given = arguments.parse_args()
    if given.peer is None and "cost" in given.only:
        print("LiteLLM's proxy is left out: --peer VENV names a virtual environment that has it")
    told = uvloop.run(measure(given))
    goals = []
    for name, numbers in told.items():
        PARTS[name][1].show(numbers)
        goals += PARTS[name][1].goals(numbers)
    report.table("Goals", ("", "measured", "goal", ""), goals)
    report.save("llm", told)


if __name__ == "__main__":
    main()
