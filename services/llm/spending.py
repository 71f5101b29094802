"""Who may still spend how much: the highest cost is reserved before a call, the real one booked after it.

What was spent is what the usage events of llm.v1 say, of this process and of every other replica; a day and a month
are those of UTC. Several replicas know of each other's calls only once these have ended: a budget can be passed by what
they have under way.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from parlance.money import dollars
from parlance.v1.control_pb2 import Budget, LlmRule, RouteSet
from parlance.v1.llm_pb2 import UsageRecorded
from parlance.v1.turn_pb2 import Header
from services.llm.model import day_of

_RAISES = "parlance routes budget llm"
# Of what ("deployment", "user", "rule"), its name, the day or the month, the run.
Key = tuple[str, str, str, str]


def day_name(us: int) -> str:
    """ "2026-11-28"."""
    return day_of(us).isoformat()


@dataclass(slots=True)
class Reservation:
    """US dollars / 1e9 that a call may cost, until it is settled."""

    keys: tuple[Key, ...]
    nanos: int


@dataclass(slots=True)
class Spending:
    """`now_us`: microseconds UTC."""

    now_us: Callable[[], int]
    _spent: dict[Key, int] = field(default_factory=dict)
    _reserved: dict[Key, int] = field(default_factory=dict)
    # Attempts of this process whose events have not come back from the log yet.
    _own: set[tuple[str, str, int]] = field(default_factory=set)
    _day: str = ""
    # Whether the log tells of this process's events too.
    follows: bool = False

    def why_not(self, header: Header, route: RouteSet, rule: LlmRule, nanos: int) -> str:
        """Which budget so many nanos would pass; "": none."""
        if nanos <= 0:
            return ""
        for budget, of, name in _limits(header.user_id, route, rule):
            for limit, period in self._periods(budget):
                key = (of, name, period, header.run)
                used = self._spent.get(key, 0)
                if limit and used + self._reserved.get(key, 0) + nanos > limit:
                    spent = f"${dollars(used)} spent, up to ${dollars(nanos)} for this"
                    return f"{_whose(key)} ${dollars(limit)} would be passed ({spent}; {_RAISES} raises it)"
        return ""

    def begin_again(self) -> None:
        """The log tells all of it from now on, what this process has booked until now too."""
        self._spent.clear()
        self.follows = True

    def reserve(self, header: Header, rule: LlmRule, nanos: int) -> Reservation:
        if nanos <= 0:
            return Reservation((), 0)
        made = Reservation(tuple(self._keys(header, rule.name, self.now_us())), nanos)
        for key in made.keys:
            self._reserved[key] = self._reserved.get(key, 0) + made.nanos
        return made

    def settle(self, reservation: Reservation) -> None:
        """Once the usage is booked, or nothing was used."""
        for key in reservation.keys:
            left = self._reserved.get(key, 0) - reservation.nanos
            if left > 0:
                self._reserved[key] = left
            else:
                self._reserved.pop(key, None)
        reservation.nanos, reservation.keys = 0, ()

    def spent(self, header: Header, usage: UsageRecorded) -> None:
        """Of a call of this process."""
        if self.follows:
            self._own.add((header.run, usage.call_id, usage.attempt))
        self._add(header, usage)

    def told(self, header: Header, usage: UsageRecorded) -> None:
        """What the log says, of whichever process."""
        own = (header.run, usage.call_id, usage.attempt)
        if own in self._own:
            self._own.discard(own)
        else:
            self._add(header, usage)

    def _add(self, header: Header, usage: UsageRecorded) -> None:
        if usage.cost_nanos <= 0:
            return
        self._forget_the_past()
        for key in self._keys(header, usage.rule, usage.began_at_us or self.now_us()):
            self._spent[key] = self._spent.get(key, 0) + usage.cost_nanos

    def _forget_the_past(self) -> None:
        """Of each user and rule there would be something more each day, for as long as this process runs."""
        day = day_name(self.now_us())
        if day != self._day:
            self._day = day
            self._spent = {key: nanos for key, nanos in self._spent.items() if key[2] in (day, day[:7])}

    def _periods(self, budget: Budget) -> tuple[tuple[int, str], ...]:
        day = day_name(self.now_us())
        return (budget.day_nanos, day), (budget.month_nanos, day[:7])

    @staticmethod
    def _keys(header: Header, rule: str, us: int) -> Iterator[Key]:
        day = day_name(us)
        for of, name in (("deployment", ""), ("user", header.user_id), ("rule", rule)):
            yield of, name, day, header.run
            yield of, name, day[:7], header.run


def limited(route: RouteSet) -> bool:
    """Whether anything of this route has a budget."""
    budgets = [route.budgets.deployment, route.budgets.user, *(rule.budget for rule in route.rules)]
    return any(b.day_nanos or b.month_nanos for b in budgets)


def _limits(user: str, route: RouteSet, rule: LlmRule) -> Iterator[tuple[Budget, str, str]]:
    yield route.budgets.deployment, "deployment", ""
    yield route.budgets.user, "user", user
    yield rule.budget, "rule", rule.name


def _whose(key: Key) -> str:
    of, name, period, _ = key
    owner = {"deployment": "the deployment's", "user": "the user's"}.get(of, f"the rule {name}'s")
    return f"{owner} budget: {'today' if len(period) > 7 else 'this month'}'s"
