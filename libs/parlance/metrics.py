"""What Prometheus is told of a process. Until `served`, nothing is counted and prometheus_client is not imported.

A process has one set of numbers, so they are reached from where something happens: a call here is a None check and
nothing else where nobody asks. Labels are names and codes, never ids or content.
"""

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from parlance.errors import Unavailable

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import GaugeMetricFamily

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# Finer where a person notices.
_WAITED = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)

# Value by label value; called in the server's thread when somebody asks.
Read = Callable[[], Mapping[str, float]]


@runtime_checkable
class Queued(Protocol):
    """A bus behind which events may wait."""

    def unsent(self) -> int:
        """Events that the broker has not acknowledged."""

    def lags(self) -> Mapping[str, int]:
        """By group: records that stand in the log and have not been delivered here."""


class _Numbers:
    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector

        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.turns = Counter("parlance_turns", "Turns that have ended.", ["outcome", "reason"], registry=self.registry)
        self.handler = Histogram(
            "parlance_handler_seconds",
            "One handling of one event by a stage.",
            ["stage"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.call = Histogram(
            "parlance_call_seconds",
            "One call that this service answered, to its last message; not those that last as long as a conversation.",
            ["method"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.sounded = Histogram(
            "parlance_first_sound_seconds",
            "From the end of speech (typed: the text) to the first sound on its way to the device.",
            ["modality"],
            buckets=_WAITED,
            registry=self.registry,
        )
        self.models = _ModelNumbers(self.registry)
        self.gauges: dict[str, tuple[str, str, Read]] = {}
        self.registry.register(self)

    def collect(self) -> Iterable["GaugeMetricFamily"]:
        from prometheus_client.core import GaugeMetricFamily

        for name, (label, told, read) in list(self.gauges.items()):
            family = GaugeMetricFamily(name, told, labels=[label] if label else [])
            for value, number in read().items():
                family.add_metric([value] if label else [], number)
            yield family


class _ModelNumbers:
    """Of language models, by target ("anthropic:claude-haiku-5-5")."""

    def __init__(self, registry: "CollectorRegistry") -> None:
        from prometheus_client import Counter, Histogram

        self.attempts = Counter(
            "parlance_llm_attempts",
            "Requests to a language model that have ended, by why they were made and how they ended.",
            ["target", "why", "outcome"],
            registry=registry,
        )
        self.tokens = Counter(
            "parlance_llm_tokens",
            "Tokens that language models have read and written; cached ones are input too, thoughts output.",
            ["target", "kind"],
            registry=registry,
        )
        self.cost = Counter(
            "parlance_llm_cost_dollars", "What language models cost, in US dollars.", ["target"], registry=registry
        )
        self.first_token = Histogram(
            "parlance_llm_first_token_seconds",
            "From the request to the first piece of a language model's answer.",
            ["target"],
            buckets=_WAITED,
            registry=registry,
        )


_numbers: _Numbers | None = None


def ends(known: Iterable[tuple[str, str]]) -> None:
    """How turns can end here (outcome, reason): each is told as 0 until one does. A number that appears as 1 is no rise
    for Prometheus, and the first failure of a kind would show nowhere."""
    if _numbers is not None:
        for outcome, reason in known:
            _numbers.turns.labels(outcome, reason)


def ended(outcome: str, reason: str) -> None:
    """A turn has ended: "answered", ""."""
    if _numbers is not None:
        _numbers.turns.labels(outcome, reason).inc()


@contextmanager
def handling(stage: str) -> Generator[None, None, None]:
    """An event is handled meanwhile."""
    began = time.monotonic()
    try:
        yield
    finally:
        if _numbers is not None:
            _numbers.handler.labels(stage).observe(time.monotonic() - began)


def called(method: str, seconds: float) -> None:
    if _numbers is not None:
        _numbers.call.labels(method).observe(seconds)


def sounded(modality: str, seconds: float) -> None:
    """Who asked hears the first of the answer: "spoken", "typed"."""
    if _numbers is not None:
        _numbers.sounded.labels(modality).observe(seconds)


def attempted(target: str, why: str, outcome: str, first_s: float | None) -> None:
    """A language model was asked: "anthropic:claude-haiku-5-5", "failover", "rate_limited". `first_s`: to its first
    piece, where one came."""
    if _numbers is not None:
        _numbers.models.attempts.labels(target, why, outcome).inc()
        if first_s is not None:
            _numbers.models.first_token.labels(target).observe(first_s)


def models(targets: Iterable[str], whys: Iterable[str], outcomes: Iterable[str], kinds: Iterable[str]) -> None:
    """Who may be asked: told as 0 until it is, for the same reason as the ends of turns."""
    if _numbers is not None:
        ways = [(why, outcome) for why in whys for outcome in outcomes]
        named = list(kinds)
        for target in targets:
            _numbers.models.cost.labels(target)
            for kind in named:
                _numbers.models.tokens.labels(target, kind)
            for way in ways:
                _numbers.models.attempts.labels(target, *way)


def used(target: str, tokens: Mapping[str, int], dollars: float) -> None:
    """What an attempt used: tokens by kind ("input", "output"), and its cost."""
    if _numbers is not None:
        for kind, count in tokens.items():
            _numbers.models.tokens.labels(target, kind).inc(count)
        _numbers.models.cost.labels(target).inc(dollars)


def gauge(name: str, told: str, read: Callable[[], float]) -> None:
    """A number that is looked up when somebody asks. A name that is known already is told by the new one."""
    gauges(name, "", told, lambda: {"": read()})


def gauges(name: str, label: str, told: str, read: Read) -> None:
    if _numbers is not None:
        _numbers.gauges[name] = (label, told, read)


def watch_bus(bus: Any) -> None:
    """Whether the bus is well, and what waits before and behind it."""
    gauge("parlance_bus_failed", "1 while the bus says that something is wrong.", lambda: float(bool(bus.failed)))
    if isinstance(bus, Queued):
        gauge("parlance_bus_unsent", "Events that the broker has not acknowledged.", bus.unsent)
        lags(bus.lags)


def lags(read: Read) -> None:
    """`read`: by group, records that stand in the log and have not been delivered."""
    gauges("parlance_bus_lag", "group", "Records in the log that have not been delivered here.", read)


@contextmanager
def served(address: str) -> Generator[None, None, None]:
    """Numbers are counted, and told at http://ADDRESS/metrics; "" does nothing. Raises Unavailable where the address
    cannot be had or prometheus_client is not installed."""
    global _numbers
    if not address:
        yield
        return
    try:
        from prometheus_client import start_http_server
    except ImportError as exc:
        raise Unavailable("PARLANCE_METRICS needs prometheus-client: pip install prometheus-client") from exc
    host, _, port = address.rpartition(":")
    _numbers = _Numbers()
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), _numbers.registry)
    except OSError as exc:
        _numbers = None
        raise Unavailable(f"PARLANCE_METRICS: cannot listen on {address}: {exc.strerror}") from exc
    try:
        yield
    finally:
        _numbers = None
        server.shutdown()
        server.server_close()
        thread.join()
