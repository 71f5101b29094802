"""The facts of an attempt: what it used, and what left for it."""

from collections.abc import Iterator

from parlance.v1.control_pb2 import RouteSet
from parlance.v1.llm_pb2 import EgressRecorded, UsageRecorded
from parlance.v1.llm_service_pb2 import ROLE_TOOL, ROLE_USER, AnswerRequest, Finish
from parlance.v1.turn_pb2 import END_COMPLETE
from services.llm.attempt import Attempt
from services.llm.model import cost_nanos, day_of


def usage_of(call_id: str, route: RouteSet, attempt: Attempt) -> UsageRecorded:
    """Its price is that of the day on which it began."""
    used, choice = attempt.used(), attempt.choice
    prices = choice.model.prices_on(day_of(attempt.began_us)) if choice.model else None
    made = UsageRecorded(
        call_id=call_id,
        attempt=attempt.number,
        provider=choice.target.target,
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        estimated=used.estimated,
        began_at_us=attempt.began_us,
        first_us=attempt.first_us,
        took_us=attempt.took_us(),
        route_version=route.version,
        cache_read_tokens=used.cache_read_tokens,
        cache_write_tokens=used.cache_write_tokens,
        reasoning_tokens=used.reasoning_tokens,
        web_searches=used.web_searches,
        cost_nanos=cost_nanos(prices, used) if prices else 0,
        rule=choice.rule.name,
        why=attempt.why,
        end=attempt.end,
        finish=used.finish if attempt.end == END_COMPLETE else Finish.FINISH_UNSPECIFIED,
    )
    if choice.model is not None:
        made.tier = choice.model.tier
    if attempt.error is not None:
        made.error = attempt.error.code
    return made


def has_left(attempt: Attempt) -> bool:
    """Whether anything did: where the provider counts, that is known; else it is believed."""
    return bool(attempt.provider.destination) and (attempt.meter.requests > 0 or not counts(attempt))


def counts(attempt: Attempt) -> bool:
    return bool(getattr(attempt.provider, "counts", False))


def egress_of(call_id: str, route: RouteSet, attempt: Attempt, policy: str) -> EgressRecorded:
    """`policy`: the version of the catalogue that told its tier."""
    choice, meter = attempt.choice, attempt.meter
    counted = meter.requests > 0
    made = EgressRecorded(
        call_id=call_id,
        attempt=attempt.number,
        provider=choice.target.target,
        destination=attempt.provider.destination,
        data_classes=_classes(attempt.request),
        bytes_sent=meter.sent if counted else sum(len(m.text.encode()) for m in attempt.request.messages),
        bytes_received=meter.received if counted else attempt.received,
        route_version=route.version,
        rule=choice.rule.name,
        policy_version=policy,
        cut=not meter.whole if counted else attempt.end != END_COMPLETE,
        estimated=not counted,
    )
    if (model := choice.model) is not None:
        made.tier, made.retention_days = model.tier, model.retention_days
        made.region = choice.rule.residency or ",".join(sorted(model.residency))
    return made


def _classes(request: AnswerRequest) -> Iterator[str]:
    yield "question"
    if sum(m.role == ROLE_USER for m in request.messages) > 1:
        yield "conversation"
    if any(m.images for m in request.messages):
        yield "images"
    if request.tools:
        yield "tools"
    if any(m.role == ROLE_TOOL for m in request.messages):
        yield "tool results"
