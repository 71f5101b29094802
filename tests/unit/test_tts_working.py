"""How many sounds are made at a time."""

import os
import threading
import time

import pytest

from services.tts.providers.working import workers


@pytest.mark.parametrize(("cores", "threads", "most"), [(1, 1, 1), (2, 1, 2), (4, 2, 2), (2, 4, 1)])
def test_no_more_are_made_at_a_time_than_there_are_cores_for(
    monkeypatch: pytest.MonkeyPatch, cores: int, threads: int, most: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(cores)), raising=False)
    lock, now, seen = threading.Lock(), 0, 0

    def make() -> None:
        nonlocal now, seen
        with lock:
            now += 1
            seen = max(seen, now)
        time.sleep(0.02)
        with lock:
            now -= 1

    with workers("test", threads) as pool:
        for job in [pool.submit(make) for _ in range(12)]:
            job.result()
    assert seen == most
