"""`parlance topics apply --access`: who may what, brought to a Kafka cluster."""

from collections.abc import Iterable
from itertools import groupby

from parlance.access import Access
from parlance.access_rules import Rule
from parlance.rpc import Credentials

Line = tuple[str, str, str]


async def apply(
    url: str, access: Access, *, create: bool, change: bool, shown: Credentials | None
) -> tuple[list[Line], str]:
    """(what is so, what is wrong). Gives what is missing; takes away what is too much only with `change`."""
    from parlance.kafka_access import AccessRules
    from parlance.kafka_address import parse

    async with AccessRules(parse(url, shown)) as cluster:
        plan = await cluster.plan(access)
        if create:
            await cluster.grant(plan.missing)
        if create and change:
            await cluster.revoke(plan.extra)
    away = create and change
    lines = [
        *_lines("made" if create else "missing", plan.missing),
        *_lines("same", plan.same),
        *_lines("taken away" if away else "too much", plan.extra),
    ]
    problem = "some may do more than infra/access.yaml says; --change takes it away" if plan.extra and not away else ""
    return lines, problem


def _lines(state: str, rules: Iterable[Rule]) -> list[Line]:
    """One for each name; `rules` are in order."""
    return [(state, who, _told(of)) for who, of in groupby(rules, key=lambda rule: rule.who)]


def _told(rules: Iterable[Rule]) -> str:
    """Such as "read topic: intent.v1 session.v1; write topic: reply.v1"."""
    by_verb: dict[str, list[str]] = {}
    for rule in rules:
        by_verb.setdefault(rule.verb, []).append(rule.what)
    return "; ".join(f"{verb}: {' '.join(whats)}" for verb, whats in sorted(by_verb.items()))
