"""Whether a table of rules makes sense, before it is in force. Whether its providers run here is for who loads them."""

from collections.abc import Sequence
from datetime import date
from urllib.parse import urlsplit

from parlance.errors import InvalidRequest
from parlance.v1.control_pb2 import Budget, LlmRule, LlmTarget, RouteSet
from parlance.v1.turn_pb2 import Capability, Tier
from services.llm.choice import Models
from services.llm.model import Model
from services.llm.router import rules_of

# No target may be waited for longer than this, in milliseconds.
_LONGEST = 600_000


def check(route: RouteSet, models: Models, today: date) -> None:
    """Raises InvalidRequest, which names the rule and the command that mends it."""
    rules = rules_of(route)
    names = [rule.name for rule in rules]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InvalidRequest(f"two rules are called '{twice[0]}': budgets are kept by name, so give one another --name")
    for rule in rules:
        _check_rule(rule, models, today)
    if not any(not rule.capabilities and _whole(rule) for rule in rules):
        raise InvalidRequest("no rule is for whatever is asked for: parlance routes set llm TARGET, without --for")
    _check_budgets([route.budgets.deployment, route.budgets.user])


def _whole(rule: LlmRule) -> bool:
    return rule.share in (0, 100)


def _check_rule(rule: LlmRule, models: Models, today: date) -> None:
    if not rule.name:
        raise InvalidRequest("every rule has a name of its own: --name RULE")
    if not 0 <= rule.share <= 100:
        raise InvalidRequest(f"the share of rule '{rule.name}' is 1 to 100 per cent of the users, not {rule.share}")
    if not rule.targets:
        raise InvalidRequest(f"rule '{rule.name}' names nobody: parlance routes set llm TARGET --name {rule.name}")
    if any(value not in Capability.values() or not value for value in rule.capabilities):
        raise InvalidRequest(f"rule '{rule.name}' is for something that this version does not know")
    if rule.ceiling not in Tier.values():
        raise InvalidRequest(f"the ceiling of rule '{rule.name}' is no tier that this version knows")
    found = [_check_target(target, models, today) for target in rule.targets]
    _check_whom(rule, found)
    _check_budgets([rule.budget])


def _check_target(target: LlmTarget, models: Models, today: date) -> Model:
    for name, value in target.settings.items():
        if wrong := _wrong_address(name, value):
            raise InvalidRequest(f"'{target.target}': {wrong}")
    model = models.find(target)
    if model is None:
        raise InvalidRequest(models.missing(target))
    if model.prices_on(today) is None:
        raise InvalidRequest(f"the catalogue has no price of '{target.target}' for {today}: write one into its entry")
    if model.shuts_down is not None and model.shuts_down <= today:
        raise InvalidRequest(
            f"the vendor of '{target.target}' has shut it down on {model.shuts_down}: name another one"
        )
    if not all(0 <= ms <= _LONGEST for ms in (target.first_ms, target.next_ms, target.hedge_ms)):
        raise InvalidRequest(f"'{target.target}': --first, --next and --hedge-after are at most {_LONGEST // 1000} s")
    return model


def _check_whom(rule: LlmRule, models: Sequence[Model]) -> None:
    """A rule under which nobody could ever be asked is a mistake."""
    near = [m for m in models if m.tier == Tier.TIER_DEVICE or not rule.residency or rule.residency in m.residency]
    if not near:
        raise InvalidRequest(
            f"nobody of rule '{rule.name}' promises to work in '{rule.residency}' alone, as the catalogue has it: "
            "--residency any, or write residency into the entries of its targets"
        )
    asked = {Capability.Name(c).removeprefix("CAPABILITY_").lower() for c in rule.capabilities} or {"chat"}
    if not any(asked & m.capabilities for m in models):
        names = ", ".join(model.name for model in models)
        raise InvalidRequest(
            f"nobody of rule '{rule.name}' is for {' or '.join(sorted(asked))}, as the catalogue has it: {names}"
        )


def _check_budgets(budgets: Sequence[Budget]) -> None:
    if any(budget.day_nanos < 0 or budget.month_nanos < 0 for budget in budgets):
        raise InvalidRequest("a budget is US dollars, 0 for none, and not less")


def _wrong_address(name: str, value: str) -> str:
    """Never with the address, which may hold a password; "": nothing is wrong with it."""
    try:
        parts = urlsplit(value)
        if "@" in parts.netloc:
            return (
                f"{name} holds a name or a password, and a route keeps none: leave them out, and name the variable of "
                "a key by --set api_key_env=NAME"
            )
        _ = parts.port
    except ValueError:
        return f"{name} is no address: --set {name}=http://HOST:PORT"
    return ""
