"""Who is asked, by the router and by what is known just now: broken targets, budgets, consent."""

from parlance import clock
from parlance.errors import InvalidRequest, QuotaExhausted, Unavailable
from parlance.v1.control_pb2 import RouteSet
from parlance.v1.llm_pb2 import UsageRecorded
from parlance.v1.llm_service_pb2 import AnswerRequest
from parlance.v1.turn_pb2 import END_CANCELLED, TIER_PARTNER, Header
from services.llm import checking, counted, router, schemas
from services.llm.attempt import Attempt
from services.llm.choice import Choice, Known
from services.llm.loading import Loading
from services.llm.model import day_of
from services.llm.nobody import nobody
from services.llm.parts import Parts
from services.llm.pseudonyms import hide

# The most that a provider asks for where nobody says how much: in tokens.
_USUAL = 1024


class Choosing:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._noted = ""

    def noted(self, route: RouteSet) -> RouteSet:
        """The route, of which Prometheus knows all that it may ask."""
        if route.version != self._noted:
            self._noted = route.version
            counted.expect(target.target for rule in router.rules_of(route) for target in rule.targets)
        return route

    def known(self, header: Header, route: RouteSet) -> Known:
        parts = self._parts
        return Known(
            models=parts.models,
            today=day_of(clock.now_us()),
            consent=parts.consent,
            broken=parts.breaker.why_not,
            unaffordable=lambda user, rule, nanos: parts.spending.why_not(header, route, rule, nanos),
        )

    def all(self, request: AnswerRequest, header: Header, route: RouteSet) -> list[Choice]:
        return router.choices(request, header.user_id, route, self.known(header, route))

    def able(self, request: AnswerRequest, header: Header, route: RouteSet) -> list[Choice]:
        """Those that may be asked, in order: one at least. Raises what tells why there is none."""
        if request.max_output_tokens < 0:
            raise InvalidRequest(
                "max_output_tokens is how many tokens an answer may have, or 0: as the model's own limit"
            )
        schemas.check(request)
        choices = self.all(request, header, route)
        able = [choice for choice in choices if not choice.passed_over]
        if not able:
            raise nobody(request, choices)
        return able

    def begins(self, attempt: Attempt, header: Header, route: RouteSet) -> None:
        """Its money is reserved, and what a partner may not see is hidden. Raises QuotaExhausted where another call has
        reserved the money meanwhile, Unavailable where another one has found the target broken."""
        choice, spending, breaker = attempt.choice, self._parts.spending, self._parts.breaker
        if why_not := breaker.why_not(choice.target.target):
            raise Unavailable(f"{choice.target.target}: {why_not}")
        if why_not := spending.why_not(header, route, choice.rule, choice.most_nanos):
            raise QuotaExhausted(why_not)
        if choice.model is not None:
            attempt.request = _let(attempt.request, choice.model.max_output_tokens)
            if choice.model.tier == TIER_PARTNER:
                attempt.request, attempt.puts_back = hide(attempt.request)
        attempt.reserved = spending.reserve(header, choice.rule, choice.most_nanos)
        breaker.begins(choice.target.target)

    def ended(self, attempt: Attempt, header: Header, usage: UsageRecorded) -> None:
        parts, target = self._parts, attempt.choice.target.target
        parts.spending.spent(header, usage)
        if attempt.reserved is not None:
            parts.spending.settle(attempt.reserved)
        if attempt.end == END_CANCELLED:
            parts.breaker.let_go(target)
        else:
            parts.breaker.ended(target, attempt.error)
        counted.count(usage)

    def check(self, route: RouteSet, loading: Loading) -> None:
        """Loads the provider of every target. Raises InvalidRequest where one cannot run here, or has no tier or
        price."""
        models = self._parts.models
        checking.check(route, models, day_of(clock.now_us()))
        for rule in router.rules_of(route):
            for target in rule.targets:
                loading.make(target, models.find(target))


def _let(request: AnswerRequest, most: int) -> AnswerRequest:
    """With no more output asked for than was reserved."""
    if (request.max_output_tokens or _USUAL) <= most:
        return request
    made = AnswerRequest()
    made.CopyFrom(request)
    made.max_output_tokens = most
    return made
