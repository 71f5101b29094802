"""Which target would answer, and why each other one is passed over. Nobody is asked."""

from collections.abc import Sequence

from parlance.v1.control_pb2 import RouteSet
from parlance.v1.llm_service_pb2 import Candidate, ExplainResponse
from parlance.v1.turn_pb2 import Tier
from services.llm.choice import Choice


def explained(route: RouteSet, choices: Sequence[Choice]) -> ExplainResponse:
    """`choices`: what the router says of a question under this route. One that needs its user's word is who would
    answer: the user is asked for it then."""
    able = [choice for choice in choices if not choice.passed_over]
    return ExplainResponse(
        route_version=route.version,
        target=able[0].target.target if able else "",
        candidates=[_candidate(choice) for choice in choices],
    )


def _candidate(choice: Choice) -> Candidate:
    return Candidate(
        target=choice.target.target,
        rule=choice.rule.name,
        tier=choice.model.tier if choice.model else Tier.TIER_UNSPECIFIED,
        passed_over=choice.passed_over,
        needs_consent=choice.needs_consent,
        most_nanos=choice.most_nanos,
    )
