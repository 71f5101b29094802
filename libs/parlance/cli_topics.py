"""`parlance topics`: the topics that the protos declare, and who may what with them, made on a Kafka broker."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from parlance import access, cli_access, config, tls
from parlance.cli_ask import Json, console, print_json, run_async
from parlance.errors import InvalidRequest, Unavailable
from parlance.events import TopicInfo, declared
from parlance.rpc import Credentials

topics_app = typer.Typer(help="Topics on Kafka; the embedded journal makes its own.", no_args_is_help=True)
Line = tuple[str, str, str]


@topics_app.callback()
def topics() -> None:
    """Topics on Kafka; the embedded journal makes its own."""


@topics_app.command("apply")
def topics_apply(  # noqa: PLR0913 - a command's options
    bus: Annotated[str, typer.Option("--bus", metavar="kafka://HOST:PORT", help="Instead of PARLANCE_BUS.")] = "",
    change: Annotated[
        bool, typer.Option("--change", help="Also change settings that differ, and take away rights that are too much.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    manifest: Annotated[
        Path | None, typer.Option("--access", metavar="FILE", help="Also give the rights of infra/access.yaml.")
    ] = None,
    rehearsal: Annotated[bool, typer.Option("--rehearsal", help="Also those of a stack marked for rehearsal.")] = False,
    as_whom: Annotated[
        str, typer.Option("--as", metavar="NAME", help="Whose certificate of PARLANCE_TLS; kafka the first time.")
    ] = tls.OPERATOR,
    as_json: Json = False,
) -> None:
    """Make the topics that are missing; show what differs. Nothing is deleted, no number of partitions changed.

    1 where something still differs afterwards."""
    if rehearsal and manifest is None:
        raise InvalidRequest("--rehearsal concerns rights: give --access infra/access.yaml too")
    wanted = access.load(manifest, rehearsal=rehearsal) if manifest is not None else None
    settings = config.load()
    url = bus or settings.bus
    if not url:
        raise InvalidRequest("say where Kafka is: --bus kafka://127.0.0.1:19092, or set PARLANCE_BUS")
    shown = tls.own(settings.tls, as_whom) if url.startswith("kafka+tls://") else None
    do = {"change": change and not dry_run, "create": not dry_run}
    lines, problem = run_async(_apply(url, **do, shown=shown))
    rights: list[Line] = []
    if wanted is not None:
        do["create"] = do["create"] and "uneven" not in {state for state, *_ in lines}
        rights, too_much = run_async(cli_access.apply(url, wanted, **do, shown=shown))
        problem = problem or too_much
    _show(lines, rights, as_json)
    if problem:
        raise Unavailable(problem)


def _show(topics: Sequence[Line], rights: Sequence[Line], as_json: bool) -> None:
    if as_json:
        found = [{"state": state, "topic": topic, "told": told} for state, topic, told in topics]
        print_json(found + [{"state": state, "name": name, "told": told} for state, name, told in rights])
        return
    for state, name, told in [*topics, *rights]:
        console.print(f"{_MARKS[state]} {name:18s} {told}", markup=False, soft_wrap=True)


# What a line says of its topic, or of somebody's rights.
_MARKS = {
    **{"missing": "+", "made": "+", "same": "=", "different": "~", "changed": "~", "uneven": "!"},
    **{"too much": "!", "taken away": "-"},
}


async def _apply(url: str, *, create: bool, change: bool, shown: Credentials | None = None) -> tuple[list[Line], str]:
    """(what is so, what is wrong). Kafka's client is imported only where it is needed: it takes half a second."""
    from parlance.kafka_address import parse
    from parlance.kafka_topics import Topics

    async with Topics(parse(url, shown)) as cluster:
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
