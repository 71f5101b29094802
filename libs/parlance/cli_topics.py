"""`parlance topics`: the topics that the protos declare, made on a Kafka broker."""

from typing import Annotated

import typer

from parlance import config
from parlance.cli_ask import Json, console, print_json, run_async
from parlance.errors import InvalidRequest, Unavailable
from parlance.events import TOPICS, TopicInfo, dead_topic

topics_app = typer.Typer(help="Topics on Kafka; the embedded journal makes its own.", no_args_is_help=True)
STAGES = ("intent", "dialogue")


def declared() -> list[TopicInfo]:
    return sorted([*TOPICS.values(), *map(dead_topic, STAGES)], key=lambda info: info.name)


@topics_app.callback()
def topics() -> None:
    """Topics on Kafka; the embedded journal makes its own."""


@topics_app.command("apply")
def topics_apply(
    bus: Annotated[str, typer.Option("--bus", metavar="kafka://HOST:PORT", help="Instead of PARLANCE_BUS.")] = "",
    change: Annotated[bool, typer.Option("--change", help="Also change settings that differ.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    as_json: Json = False,
) -> None:
    """Make the topics that are missing; show what differs. Nothing is deleted, no number of partitions changed.

    1 where something still differs afterwards."""
    url = bus or config.load().bus
    if not url:
        raise InvalidRequest("say where Kafka is: --bus kafka://127.0.0.1:19092, or set PARLANCE_BUS")
    lines, problem = run_async(_apply(url, change=change and not dry_run, create=not dry_run))
    if as_json:
        print_json([{"state": state, "topic": topic, "told": told} for state, topic, told in lines])
    else:
        for state, topic, told in lines:
            console.print(f"{_MARKS[state]} {topic:18s} {told}", markup=False, soft_wrap=True)
    if problem:
        raise Unavailable(problem)


# What a line says of its topic.
_MARKS = {"missing": "+", "made": "+", "same": "=", "different": "~", "changed": "~", "uneven": "!"}
Line = tuple[str, str, str]


async def _apply(url: str, *, create: bool, change: bool) -> tuple[list[Line], str]:
    """(what is so, what is wrong). Kafka's client is imported only where it is needed: it takes half a second."""
    from parlance.kafka_address import parse
    from parlance.kafka_topics import Topics

    async with Topics(parse(url)) as cluster:
        plan = await cluster.plan(declared())
        if create and not plan.uneven:
            await cluster.create(plan.missing)
        if change and not plan.uneven:
            await cluster.change(plan.different)
    made = "made" if create and not plan.uneven else "missing"
    changed = "changed" if change and not plan.uneven else "different"
    lines = [(made, info.name, _told(info)) for info in plan.missing]
    lines += [("same", info.name, _told(info)) for info in plan.same]
    lines += [
        (changed, d.topic, ", ".join(f"{k}: {a or 'unset'} -> {b}" for k, (a, b) in d.settings.items()))
        for d in plan.different
    ]
    lines += [("uneven", i.name, f"has {count} partitions, {i.partitions} are declared") for i, count in plan.uneven]
    return sorted(lines, key=lambda line: line[1]), _problem(plan.uneven, plan.different, made, changed)


def _told(info: TopicInfo) -> str:
    kept = f"kept {info.retention_ms // 86_400_000} days" if info.retention_ms else "kept for ever"
    marks = [m for m, so in (("compacted", info.compacted), ("synced", info.durable)) if so]
    return ", ".join([f"{info.partitions} partitions", kept, *marks])


def _problem(uneven: object, different: object, made: str, changed: str) -> str:
    if uneven:
        return (
            "topics with other partitions than declared would split sessions, so nothing was done: let what they hold "
            "run out, delete them by hand, and apply again"
        )
    if different and changed == "different" and made == "made":
        return "some settings differ from what is declared; --change sets them"
    return ""
