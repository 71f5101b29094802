"""What models cost and what left for them, as both of the ledger's databases say it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from parlance.errors import InvalidRequest
from parlance.v1.gateway_service_pb2 import GetUsageResponse, ListEgressRequest, ListEgressResponse
from parlance.v1.turn_pb2 import End, Tier
from services.ledger.departures import departures
from services.ledger.projections import project
from services.ledger.stats import stats
from services.ledger.store import LedgerStore
from services.ledger.store_sqlite import SqliteLedger
from services.ledger.usage import usage
from tests.contract.ledger_money_scene import HAIKU, HOUSE, LUNA, Asked, tell
from tests.unit.ledger_scene import NOON, Log

EVER, HOUR_US = "2000-01-01", 3_600_000_000


class Desk:
    def __init__(self, store: LedgerStore, log: Log) -> None:
        self.store, self.log = store, log

    def tell(self, *asked: Asked) -> None:
        tell(self.log, *asked)
        self.store.save(project(self.log.records), {})

    def usage(self, run: str = "", since: str = EVER, now_us: int = NOON) -> GetUsageResponse:
        return usage(self.store.query, run, since, now_us)

    def left(self, since: str = EVER, **asked: object) -> ListEgressResponse:
        return departures(self.store.query, ListEgressRequest(**asked), since)  # type: ignore[arg-type]


@pytest.fixture(params=["sqlite", "postgres"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    store: LedgerStore
    if request.param == "postgres":
        url = request.getfixturevalue("database_url")
        from parlance.postgres_address import parse
        from services.ledger.store_postgres import PostgresLedger

        store = PostgresLedger(parse(url))
    else:
        store = SqliteLedger(tmp_path / "ledger.db")
    yield Desk(store, Log.at(tmp_path))
    store.close()


def spent(told: GetUsageResponse) -> dict[tuple[str, str], tuple[int, int]]:
    """(day, month) by whose it is."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for state in told.budgets:
        assert state.limit_nanos == 0  # the ledger knows none
        found.setdefault((state.of, state.name), {})[state.period] = state.spent_nanos
    return {of: (both["day"], both["month"]) for of, both in found.items()}


def test_usage_is_by_model_rule_and_user_the_dearest_first(desk: Desk) -> None:
    desk.tell(
        Asked(used={"cost_nanos": 5, "cache_read_tokens": 60, "reasoning_tokens": 4}),
        Asked(used={"cost_nanos": 7, "end": End.END_FAILED, "estimated": True}),
        Asked(used={"cost_nanos": 1, "end": End.END_CANCELLED}),
        Asked(user="ben", used={"cost_nanos": 40}),
        Asked(target=LUNA, rule="web", used={"cost_nanos": 900, "cache_write_tokens": 3}),
        Asked(target=HOUSE, run="load", used={"cost_nanos": 2}),
    )
    told = desk.usage().usage
    assert [(u.provider, u.model, u.rule, u.user_id, u.requests, u.cost_nanos) for u in told] == [
        ("openai", "gpt-6-luna", "web", "anna", 1, 900),
        ("anthropic", "claude-haiku-5-5", "chat", "ben", 1, 40),
        ("anthropic", "claude-haiku-5-5", "chat", "anna", 3, 13),
    ]
    anna = told[2]
    assert (anna.failed, anna.estimated, anna.input_tokens, anna.output_tokens) == (2, 1, 300, 30)
    assert (anna.cache_read_tokens, anna.reasoning_tokens, told[0].cache_write_tokens) == (60, 4, 3)
    assert [u.model for u in desk.usage("load").usage] == ["house"]


def test_the_first_piece_is_by_the_nearest_rank(desk: Desk) -> None:
    desk.tell(*(Asked(used={"first_us": 1000 * n}) for n in range(1, 21)), Asked(), Asked(target=LUNA))
    luna, haiku = sorted(desk.usage().usage, key=lambda u: u.requests)
    assert (haiku.requests, haiku.p50_us, haiku.p95_us) == (21, 10_000, 19_000)
    assert (luna.p50_us, luna.p95_us) == (0, 0)  # nothing came


def test_a_repeated_event_costs_nothing(desk: Desk) -> None:
    desk.tell(Asked(used={"cost_nanos": 5}))
    before = desk.usage(), desk.left()
    desk.store.save(project(desk.log.records * 3), {})
    assert (desk.usage(), desk.left()) == before and before[0].usage[0].cost_nanos == 5


def test_large_sums_of_money_are_exact(desk: Desk) -> None:
    """A float has 53 bits: the last of these nanos would be lost in one."""
    desk.tell(*(Asked(used={"cost_nanos": 2**53 - 1}) for _ in range(8)), Asked(used={"cost_nanos": 1}))
    told = desk.usage()
    assert told.usage[0].cost_nanos == 8 * (2**53 - 1) + 1
    assert spent(told)["deployment", ""] == (8 * (2**53 - 1) + 1,) * 2


def test_what_is_spent_counts_by_the_day_and_the_month_of_utc(desk: Desk) -> None:
    """The log begins at 08:00 on the 15th."""
    desk.tell(
        Asked(hours=-8.01, used={"cost_nanos": 1}),
        Asked(hours=-7.99, used={"cost_nanos": 10}),
        Asked(hours=-14 * 24 - 8.01, used={"cost_nanos": 100}),
        Asked(user="ben", rule="web", hours=-14 * 24 - 7.99, used={"cost_nanos": 1000}),
        Asked(user="", rule="", hours=1, used={"cost_nanos": 10_000}),
        Asked(user="ben", run="load", used={"cost_nanos": 7}),
    )
    assert spent(desk.usage()) == {
        ("deployment", ""): (10_010, 11_011),
        ("user", "anna"): (10, 11),
        ("user", "ben"): (0, 1000),
        ("rule", "chat"): (10, 11),
        ("rule", "web"): (0, 1000),
    }
    # A run has budgets of its own.
    assert spent(desk.usage("load")) == dict.fromkeys([("deployment", ""), ("user", "ben"), ("rule", "chat")], (7, 7))
    # On the first of the next month nothing is spent yet.
    assert spent(desk.usage(now_us=int(datetime(2027, 2, 1, tzinfo=UTC).timestamp()) * 1_000_000)) == {
        ("deployment", ""): (0, 0)
    }


def test_where_nothing_was_asked_nothing_is_spent(desk: Desk) -> None:
    assert not desk.usage().usage and spent(desk.usage()) == {("deployment", ""): (0, 0)}


def test_what_left_is_listed_newest_first_with_all_that_is_known_of_it(desk: Desk) -> None:
    whole = {"data_classes": ["question", "image"], "region": "eu", "retention_days": 0, "cut": True, "estimated": True}
    desk.tell(Asked(hours=2, left=whole), Asked(user="ben", hours=1, left={"retention_days": -1}))
    newest, older = desk.left().entries
    assert (newest.at_us, newest.turn_id, newest.user_id) == (NOON + 2 * HOUR_US, "turn-0", "anna")
    sent = newest.egress
    assert (sent.provider, sent.destination, sent.rule, sent.tier) == (HAIKU, "api.anthropic.com", "chat", 4)
    assert (sent.bytes_sent, sent.bytes_received, sent.cut, sent.estimated) == (1000, 2000, True, True)
    assert (sent.policy_version, sent.route_version, sent.region) == ("sha256:abc", "v3", "eu")
    assert list(sent.data_classes) == ["question", "image"]
    # Kept not at all is not the same as not told.
    assert (sent.retention_days, older.egress.retention_days) == (0, -1)
    assert [e.user_id for e in desk.left(user_id="ben").entries] == ["ben"]
    assert not desk.left(user_id="nobody").entries and not desk.left(run="load").entries
    assert [e.user_id for e in desk.left(since="2027-01-16").entries] == []


def test_a_list_says_whether_there_is_more(desk: Desk) -> None:
    desk.tell(*(Asked(hours=n) for n in range(25)))
    for limit, listed, more in ((0, 20, True), (24, 24, True), (25, 25, False)):
        told = desk.left(limit=limit)
        assert (len(told.entries), told.more) == (listed, more)
    times = [e.at_us for e in desk.left(limit=25).entries]
    assert times == sorted(times, reverse=True)
    with pytest.raises(InvalidRequest, match="1 to 10000 requests can be listed at once, not -1"):
        desk.left(limit=-1)


def test_what_a_proxy_of_this_machine_passes_on_has_left_and_a_model_on_it_has_not(desk: Desk) -> None:
    desk.tell(
        Asked(to="127.0.0.1:9000"),
        Asked(target=HOUSE, to="127.0.0.1:8000", tier=Tier.TIER_DEVICE),
        Asked(target=HOUSE, to="192.168.1.7:8000", tier=Tier.TIER_DEVICE),
        Asked(target="scripted:echo", to="", tier=Tier.TIER_DEVICE),
    )
    left = {"127.0.0.1:9000", "192.168.1.7:8000"}
    assert {e.egress.destination for e in desk.left(left_device=True, user_id="anna").entries} == left
    # What went to a server here is on record too; what never left the process is not.
    assert {e.egress.destination for e in desk.left().entries} == {"127.0.0.1:8000", *left}
    told = stats(desk.store.query, "", EVER)
    assert {e.destination for e in told.egress} == left


def test_where_nothing_left_nothing_is_listed(desk: Desk) -> None:
    desk.tell(Asked(target=HOUSE, to="127.0.0.1:8000", tier=Tier.TIER_DEVICE))
    assert not desk.left(left_device=True).entries and len(desk.left().entries) == 1
