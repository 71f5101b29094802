"""The one process, too, sends its turns' spans to a collector."""

import time
from pathlib import Path

from tests.e2e.conftest import Platform
from tests.otlp_collector import collecting


def test_the_spans_of_a_turn_reach_the_collector_that_is_named(tmp_path: Path) -> None:
    with collecting() as collector:
        platform = Platform(tmp_path / "home", extra={"PARLANCE_OTLP": collector.url})
        platform.start()
        try:
            assert platform.cli("ask", "what is seven times twelve").returncode == 0
            until = time.monotonic() + 30
            while not collector.got and time.monotonic() < until:
                time.sleep(0.1)
        finally:
            platform.end()
    names = {span["name"].partition(" ")[0] for span in collector.spans()}
    assert {"invoke_agent", "execute_tool", "text_to_speech"} <= names
