"""An event loop in virtual time, whose processes can be frozen and killed between any two callbacks.

Every callback belongs to the process in whose context it was scheduled. A frozen process's callbacks wait until it is
thawed, as after SIGSTOP; a killed one's never run, as after SIGKILL: no `finally`, no `except`, nothing.
"""

import asyncio
import contextvars
import heapq
from collections.abc import Callable, Coroutine
from typing import Any

# A float's resolution is worst where time is large: so time begins at 0.
_RESOLUTION_S = 1e-9


class Life:
    """A process from its start to its death."""

    def __init__(self, name: str, number: int) -> None:
        self.name, self.number = name, number
        self.alive, self.frozen = True, False
        self.parked: list[asyncio.Handle] = []
        self.tasks: list[asyncio.Task[Any]] = []
        # Called when it dies or stops being reachable, in order.
        self.mourners: dict[object, Callable[[], None]] = {}
        self.context = contextvars.copy_context()
        self.context.run(_LIFE.set, self)

    def __repr__(self) -> str:
        return f"{self.name}#{self.number}"


_LIFE: contextvars.ContextVar[Life | None] = contextvars.ContextVar("life", default=None)


def current_life() -> Life | None:
    """The process that runs now; None: the world outside."""
    return _LIFE.get()


def _held(handle: asyncio.Handle, context: contextvars.Context) -> bool:
    life: Life | None = context.get(_LIFE)
    if life is None or (life.alive and not life.frozen):
        return False
    life.parked.append(handle)
    return True


class _Handle(asyncio.Handle):
    __slots__ = ()

    def _run(self) -> None:
        if not _held(self, self._context):  # type: ignore[attr-defined]
            super()._run()


class _Timer(asyncio.TimerHandle):
    __slots__ = ()

    def _run(self) -> None:
        if not _held(self, self._context):  # type: ignore[attr-defined]
            super()._run()


class _Jump:
    """A selector that jumps to the next timer."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("nothing is scheduled any more: the simulation would wait for ever")
        self._loop.now += max(0.0, timeout)
        return []

    def close(self) -> None:
        pass


class VirtualLoop(asyncio.BaseEventLoop):
    def __init__(self, world: Any) -> None:
        super().__init__()
        self.world = world
        self.now = 0.0
        self._selector = _Jump(self)
        self._clock_resolution = _RESOLUTION_S

    def time(self) -> float:
        return self.now

    def _process_events(self, events: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """Threads take no virtual time."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as exc:
            future.set_exception(exc)
        return future

    def _call_soon(self, callback: Any, args: Any, context: contextvars.Context | None) -> asyncio.Handle:
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        timer = _Timer(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def create_task(self, coro: Coroutine[Any, Any, Any], **kwargs: Any) -> asyncio.Task[Any]:  # type: ignore[override]
        task: asyncio.Task[Any] = super().create_task(coro, **kwargs)
        life = (kwargs.get("context") or contextvars.copy_context()).get(_LIFE)
        if life is not None:
            life.tasks.append(task)
        return task

    def thaw(self, life: Life) -> None:
        """What was held back runs now, in order; also of a dead process, to clear up after the simulation."""
        life.frozen = False
        parked, life.parked = life.parked, []
        self._ready.extend(parked)  # type: ignore[attr-defined]
