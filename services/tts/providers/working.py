"""Threads in which sound is made."""

import os
from concurrent.futures import ThreadPoolExecutor


def workers(name: str, threads: int = 1) -> ThreadPoolExecutor:
    """As many at a time as this process has cores for, where each takes so many threads. More would all be late, and so
    would the event loop, which is one thread among them."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return ThreadPoolExecutor(max(1, cores // threads), name)
