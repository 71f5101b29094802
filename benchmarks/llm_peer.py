"""LiteLLM's proxy, out of a virtual environment of its own, before the same upstream: for comparison.

python3 -m venv FOLDER && FOLDER/bin/pip install 'litellm[proxy]'
"""

import asyncio
import json
import os
import secrets
import time
from pathlib import Path

from benchmarks.llm_child import cpu_ms
from benchmarks.llm_server import base_url
from tests.ports import free_port

# It refuses keys that can be guessed.
KEY = f"sk-{secrets.token_hex(32)}"
_READY_S = 120.0
_MODELS = {"compatible": "openai/good", "anthropic": "anthropic/good", "google": "gemini/good"}


class Peer:
    """`async with`. One worker, no database, no logging: its best case. It calls its models as we call vendors. Behind
    its chat door Responses would be translated, so they are left out."""

    vendors = tuple(_MODELS)

    def __init__(self, venv: Path, home: Path, upstream: int) -> None:
        self.port = free_port()
        self._program = venv / "bin" / "litellm"
        self._config, self._log = home / "litellm.json", home / "litellm.log"
        models = [
            {
                "model_name": vendor,
                "litellm_params": {"model": model, "api_key": KEY, "api_base": _address(vendor, upstream)},
            }
            for vendor, model in _MODELS.items()
        ]
        settings = {"telemetry": False, "num_retries": 0, "set_verbose": False}
        self._config.write_text(
            json.dumps({"model_list": models, "litellm_settings": settings, "general_settings": {"master_key": KEY}})
        )
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> "Peer":
        words = ["--config", str(self._config), "--port", str(self.port), "--host", "127.0.0.1", "--num_workers", "1"]
        environment = {**os.environ, "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "*"}
        environment.pop("PYTHONPATH", None)
        with self._log.open("w") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(self._program), *words, env=environment, stdout=log, stderr=log, cwd=self._config.parent
            )
        until = time.monotonic() + _READY_S
        while not await self._answers():
            if self._process.returncode is not None or time.monotonic() > until:
                raise RuntimeError(f"LiteLLM's proxy did not get ready:\n{self._log.read_text()[-2000:]}")
            await asyncio.sleep(0.2)
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), 15)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def cpu_ms(self) -> float:
        """Of it and of all that it has started."""
        assert self._process is not None
        return sum(cpu_ms(pid) for pid in _family(self._process.pid))

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.write(b"GET /health/liveliness HTTP/1.0\r\nHost: peer\r\n\r\n")
        line = await reader.readline()
        writer.close()
        return b" 200 " in line


def _address(vendor: str, upstream: int) -> str:
    """As LiteLLM wants it: of Gemini to the model's name, and of Anthropic to the root."""
    return f"{base_url(vendor, upstream)}/v1beta/models/good" if vendor == "google" else base_url(vendor, upstream)


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(p for child in children for p in _family(int(child)))]
