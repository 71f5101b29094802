"""`parlance replay run`: load on the running platform, from a file of questions."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from parlance import cli_replay_direct, cli_replay_outside, cli_replay_search, clock, config, ids
from parlance.cli_ask import Json, console, errors, from_running, print_json, run_async
from parlance.errors import InvalidRequest, ParlanceError
from parlance.v1.gateway_service_pb2 import GetStatsRequest, ListRoutesRequest

# How often what was measured is kept, so that a crash loses no more; keeping takes at most this share of the time.
_KEEP_S = 5.0
_KEEP_SHARE = 0.05
_SPEED_MAX = 100.0


def run(  # noqa: PLR0913 - a command's options
    file: Annotated[Path, typer.Argument(help="A file of 'parlance replay synth' or 'record'.")],
    speed: Annotated[str, typer.Option("--speed", help="1 (as recorded) to 100, or max.")] = "1",
    processes: Annotated[int, typer.Option("--processes", min=1, max=64, help="That send.")] = 1,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first turns of the file.")] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Keep the result in this JSON file.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run of --report.")] = False,
    sound: Annotated[bool, typer.Option("--sound", help="Let the replies be spoken; else devices are mute.")] = False,
    outside: Annotated[bool, typer.Option("--outside", help="Also where answers come from another machine.")] = False,
    objective: Annotated[
        str, typer.Option("--objective", help="Find the highest rate that meets it: 'p95 first audio <= 800 ms'.")
    ] = "",
    direct: Annotated[
        bool, typer.Option("--direct", help="Past every door, straight on the bus of a stack marked for rehearsal.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Send the questions of a file to the running platform, under a run of its own: nothing is done for real.

    Latency counts from when a question was meant to be sent. Ctrl-C stops and keeps what was measured."""
    from parlance import load_file
    from parlance.load_recipient import Owner

    settings = config.load()
    factor = _speed(speed)
    recording = load_file.read(file, Owner(settings.keys, settings.user_id))
    turns = recording.turns[:limit]
    if direct:
        _check_alone(processes > 1 or resume or sound or bool(objective))
        _direct(file, {"--speed": factor, "--limit": limit}, report, as_json)
        return
    facts = _facts(file, recording, turns) | {"speed": factor or "max", "processes": processes, "sound": sound}
    if objective:
        _check_kept(report is not None or resume)
        trials = run_async(_search(settings.address, facts, turns, outside, objective))
        return cli_replay_search.tell(objective, trials, as_json)
    result = _result(facts, report, resume)
    run_async(_check_running(outside))
    stopped = run_async(_go(settings.address, result, turns, report))
    _finish(result, as_json, stopped, "go on with --resume" if report else "with --report it could be resumed")


def _check_kept(kept: bool) -> None:
    if kept:
        raise InvalidRequest("--objective makes many runs and keeps none of them: leave out --report and --resume")


def _check_alone(others: bool) -> None:
    if others:
        raise InvalidRequest("--direct goes without --processes, --resume, --sound and --objective")


def _direct(file: Path, options: dict[str, Any], report: Path | None, as_json: bool) -> None:
    words = [str(file), *(f"{name}={value}" for name, value in options.items() if value)]
    _finish(_document(run_async(cli_replay_direct.send(words, report))), as_json, False, "")


def _document(told: dict[str, Any]) -> Any:
    from parlance import load_result

    return load_result.resumed(told)


def _facts(file: Path, recording: Any, turns: Any) -> dict[str, Any]:
    """Of a run that begins now."""
    return {
        "run": ids.new(),
        "file": {"name": file.name, "sha256": recording.digest, "origin": recording.head.origin},
        "turns": len(turns),
        "sessions": len({turn.session for turn in turns}),
        "length_s": (turns[-1].at_us - turns[0].at_us) / 1e6 if turns else 0.0,
        "began_at_us": clock.now_us(),
        "cpus": os.cpu_count(),
    }


def _speed(said: str) -> float | None:
    if said == "max":
        return None
    try:
        speed = float(said)
    except ValueError:
        speed = 0.0
    if not 1 <= speed <= _SPEED_MAX:
        raise InvalidRequest(f"--speed is 1 to {_SPEED_MAX:g}, or max; not '{said}'")
    return speed


def _result(facts: dict[str, Any], report: Path | None, resume: bool) -> Any:
    """A new result, or the one that is resumed. Nothing that was measured is written over."""
    from parlance import load_result

    if report is None:
        if resume:
            raise InvalidRequest("--resume needs --report FILE: the result to go on with")
        return load_result.Result(facts)
    if not resume:
        if report.exists() and not load_result.load(report)["complete"]:
            raise InvalidRequest(f"{report} holds a run that was stopped: --resume goes on with it; else name another")
        return load_result.Result(facts)
    before = load_result.load(report)
    _check_same(report, before["plan"], facts)
    return load_result.resumed(before)


def _check_same(report: Path, before: dict[str, Any], facts: dict[str, Any]) -> None:
    if before["file"]["sha256"] != facts["file"]["sha256"]:
        raise InvalidRequest(f"{report} is the result of another file ({before['file']['name']})")
    for name in ("turns", "speed", "sound"):
        if before[name] != facts[name]:
            raise InvalidRequest(
                f"{report} was run with {name} {before[name]}, not {facts[name]}: resume it as it began"
            )


async def _check_running(outside: bool) -> None:
    """Whether somebody answers, and where open questions go: those of a load run may cost money there."""
    routes = (await from_running("ListRoutes", ListRoutesRequest())).routes
    if outside:
        return
    for to in await cli_replay_outside.outside(routes):
        raise InvalidRequest(f"open questions would go to {to}: allow it with --outside, or route llm elsewhere")


class _Watch:
    """Shows how far a run is, keeps what it measures, and lets Ctrl-C end it."""

    def __init__(self, address: str, report: Path | None, status: Any) -> None:
        self._address, self._report, self._status = address, report, status
        self._keep_at = 0.0
        self._run: Any = None
        self.stopped = False

    async def go(self, result: Any, turns: Any, enough: Callable[[Any], bool] = lambda result: False) -> None:
        """Runs to its end, or until it has shown `enough`."""
        from parlance.load_run import Plan, Run

        facts = result.facts
        speed = None if facts["speed"] == "max" else facts["speed"]

        def tell(now: Any) -> None:
            self._tell(now)
            if enough(now):
                self._run.stop()

        plan = Plan(self._address, facts["run"], speed, facts["processes"], facts["sound"], config.load().bus)
        self._run = Run(plan, result, tell)
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._stop)
        self._keep(result)
        try:
            await self._run.go(turns)
        finally:
            self._keep(result)

    def _tell(self, now: Any) -> None:
        self._status.update(_progress(now))
        if time.monotonic() > self._keep_at:
            self._keep(now)

    def _keep(self, result: Any) -> None:
        began = time.monotonic()
        if self._report is not None:
            result.save(self._report)
        took = time.monotonic() - began
        self._keep_at = began + max(_KEEP_S, took / _KEEP_SHARE)

    def _stop(self) -> None:
        self.stopped = True
        self._status.update("stopping: what is open has 5 s to end")
        self._run.stop()


async def _go(address: str, result: Any, turns: Any, report: Path | None) -> bool:
    """Runs; whether it was stopped."""
    with errors.status("starting") as status:
        watch = _Watch(address, report, status)
        await watch.go(result, turns)
        status.update("asking the ledger for the stages")
        await _stages(result)
        if report is not None:
            result.save(report)
    return watch.stopped


async def _stages(result: Any) -> None:
    """What the platform itself has measured. A run without that is a run all the same."""
    from parlance.load_stages import slice_us, stages

    asked = GetStatsRequest(days=2, run=result.facts["run"], slice_us=slice_us(result.took_s))
    try:
        result.stages = stages(await from_running("GetStats", asked), result.began)
    except ParlanceError as exc:
        errors.print(f"the ledger told nothing of the stages: {exc.message}", markup=False, soft_wrap=True)


async def _search(address: str, facts: dict[str, Any], turns: Any, outside: bool, objective: str) -> list[Any]:
    await _check_running(outside)
    with errors.status("starting") as status:
        return await cli_replay_search.find(objective, facts, turns, _Watch(address, None, status))


def _progress(result: Any) -> str:
    rows, facts = result.rows, result.facts
    recent = sorted(r.first - r.due for r in rows[-200:] if r.first is not None)
    p95 = f", p95 to the first word {recent[int(len(recent) * 0.95)]:.0f} ms" if recent else ""
    wrong = sum(r.outcome in ("failed", "lost", "error") for r in rows)
    return f"{len(rows)} of {facts['turns']} turns, {result.took_s:.0f} s{p95}" + (f", {wrong} WRONG" if wrong else "")


def _finish(result: Any, as_json: bool, stopped: bool, go_on: str) -> None:
    from parlance.load_result import without_rows
    from parlance.load_show import result_table

    told = result.as_json()
    if as_json:
        print_json(without_rows(told))
    else:
        console.print(result_table(told))
    if stopped and not result.complete:
        errors.print(f"stopped after {len(result.rows)} of {result.facts['turns']} turns; {go_on}", soft_wrap=True)
        raise typer.Exit(130)
    counts = told["counts"]
    if not result.complete or counts["lost"] or counts["error"]:
        raise typer.Exit(1)
