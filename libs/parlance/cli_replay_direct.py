"""`parlance replay run --direct`: the questions of a file straight on the bus, by services/rehearsal as a process."""

import asyncio
import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import typer

from parlance.cli_ask import errors, from_running
from parlance.errors import InvalidRequest
from parlance.v1.gateway_service_pb2 import ListRoutesRequest

# How the sender begins to say that it could not do what was asked.
_COULD_NOT = "parlance: "


async def send(words: list[str], report: Path | None) -> Any:
    """The result's document. Raises InvalidRequest where the stack that runs here is not marked for rehearsal."""
    if not (await from_running("ListRoutes", ListRoutesRequest())).rehearsal:
        raise InvalidRequest(
            "what runs here is not marked for rehearsal, and --direct would put these questions on its bus past every "
            "door: start it with PARLANCE_REHEARSAL=1, or leave --direct out"
        )
    with tempfile.TemporaryDirectory(prefix="parlance-direct-") as folder:
        return await _sent(words, report or Path(folder) / "result.json")


async def _sent(words: list[str], result: Path) -> Any:
    from parlance import load_result

    sender = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.rehearsal", words[0], str(result), *words[1:]),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert sender.stdout is not None and sender.stderr is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: sender.send_signal(signal.SIGINT))
    with errors.status("making the records") as status:
        async for line in sender.stdout:
            status.update(f"{json.loads(line)['sent']} sent")
    told = (await sender.stderr.read()).decode()
    if (code := await sender.wait()) and told.startswith(_COULD_NOT):
        errors.print(told.strip(), markup=False, soft_wrap=True)
        raise typer.Exit(code)
    return load_result.load(result)
