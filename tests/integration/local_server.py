"""The server of local_model.py as a process of a test."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from parlance.models import locate

_ROOT = Path(__file__).parents[2]


@contextmanager
def serving(home: Path) -> Iterator[str]:
    """Its address ("http://127.0.0.1:40929"); it ends with the block. `home`: where weights may be put."""
    words = [sys.executable, "-m", "tests.integration.local_model", str(locate("smollm2", home))]
    with subprocess.Popen(
        words,
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None and server.stdin is not None
        found = next((line for line in server.stdout if line.startswith("at ")), "")
        assert found, "the model's server did not start"
        try:
            yield found.split()[1]
        finally:
            server.stdin.close()
