"""A circuit breaker for each target: who fails again and again is left alone for a while, then tried once."""

from collections.abc import Callable
from dataclasses import dataclass, field

from parlance.errors import (
    DeadlineExceeded,
    Internal,
    ParlanceError,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    Unauthenticated,
    Unavailable,
)

# What tells of the target, and not of the question.
_COUNTS = (Unavailable, DeadlineExceeded, RateLimited, Internal, PermissionDenied)
# What the next question will meet as well: a key that is not accepted, a quota that is used up. What is not permitted
# may be one question alone: what stands before a vendor forbids some for their words.
_HOPELESS = (QuotaExhausted, Unauthenticated)


@dataclass(slots=True)
class _State:
    failures: int = 0
    # Seconds of `now`; 0: closed.
    open_until: float = 0.0
    probing: bool = False
    last: str = ""


@dataclass(slots=True)
class Breaker:
    """`now`: seconds of a monotonic clock. Opens after `failures` in a row (at once where asking again is hopeless) for
    `open_s`; then one question is let through, and how that ends decides."""

    now: Callable[[], float]
    failures: int = 5
    open_s: float = 15.0
    _states: dict[str, _State] = field(default_factory=dict)

    def why_not(self, target: str) -> str:
        """Why this target is not asked just now; "": it may be."""
        state = self._states.get(target)
        if state is None or not state.open_until:
            return ""
        left = state.open_until - self.now()
        if left > 0:
            return f"it failed and is left alone for {left:.0f} s more: {state.last}"
        return "it failed and is being tried again just now" if state.probing else ""

    def begins(self, target: str) -> None:
        """A question goes there: where it is open, this is the one that decides."""
        state = self._states.get(target)
        if state is not None and state.open_until:
            state.probing = True

    def ended(self, target: str, error: ParlanceError | None) -> None:
        """A question that went there has been answered, or failed with `error`."""
        if error is None:
            self._states.pop(target, None)
            return
        state = self._states.setdefault(target, _State())
        was_open, state.probing = bool(state.open_until), False
        if not isinstance(error, _COUNTS + _HOPELESS):
            return  # it does answer: what failed was the question
        state.failures += 1
        state.last = _said(error)
        if was_open or state.failures >= self.failures or isinstance(error, _HOPELESS):
            state.open_until = self.now() + self.open_s

    def let_go(self, target: str) -> None:
        """A question that went there was taken back before it told anything."""
        state = self._states.get(target)
        if state is not None:
            state.probing = False


def _said(error: ParlanceError) -> str:
    """What our errors say holds no words of a vendor and none of a user."""
    return error.message or type(error).__name__
