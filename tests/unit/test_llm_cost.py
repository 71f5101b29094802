"""What an answer costs: tokens and searches, exactly."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from parlance.v1.control_pb2 import LlmTarget
from parlance.v1.llm_service_pb2 import AnswerRequest, ChatMessage
from parlance.v1.turn_pb2 import CAPABILITY_WEB
from services.llm import catalogue
from services.llm.estimate import most_nanos
from services.llm.model import Prices, cost_nanos
from services.llm.provider import Usage

PRICES = Prices(date(2026, 1, 1), Decimal("0.1"), Decimal("0.5"), Decimal("0.01"), Decimal("0.125"), Decimal(10))
CENT = 10_000_000


def test_each_kind_of_token_has_its_price() -> None:
    used = Usage(input_tokens=1000, output_tokens=100, cache_read_tokens=400, cache_write_tokens=200)
    # 400 plain at 100, 400 read at 10, 200 written at 125, 100 out at 500
    assert cost_nanos(PRICES, used) == 40_000 + 4_000 + 25_000 + 50_000


def test_a_search_of_the_vendors_own_is_billed_one_by_one() -> None:
    assert cost_nanos(PRICES, Usage(web_searches=3)) == 3 * CENT


def test_a_web_question_reserves_its_searches_too() -> None:
    model = catalogue.load().find(LlmTarget(target="openai:gpt-6-luna"))
    assert model is not None
    plain = AnswerRequest(messages=[ChatMessage(text="who won")], max_output_tokens=100)
    web = AnswerRequest(messages=[ChatMessage(text="who won")], max_output_tokens=100, capability=CAPABILITY_WEB)
    today = date(2026, 11, 30)
    asked, searched = (most_nanos(request, 100, model, today) or 0 for request in (plain, web))
    assert searched - asked >= 3 * CENT


def test_a_fee_for_searches_is_read_from_the_catalogue_and_may_be_left_out() -> None:
    found = {model.name: model.prices[0].web_search for model in catalogue.load().models}
    assert found["anthropic:claude-haiku-5-5"] == Decimal(10) and found["compatible:*"] == 0


def test_what_is_kept_for_an_hour_has_a_price_of_its_own_and_is_reserved_where_it_is_asked_for() -> None:
    used = Usage(input_tokens=1000, cache_write_tokens=600, cache_write_1h_tokens=500)
    # 400 plain at 100, 100 written at 125, 500 for an hour at 200
    assert cost_nanos(replace(PRICES, cache_write_1h=Decimal("0.2")), used) == 40_000 + 12_500 + 100_000
    assert cost_nanos(PRICES, used) == 40_000 + 75_000
    model = catalogue.load().find(LlmTarget(target="anthropic:claude-haiku-5-5"))
    assert model is not None and model.prices[0].cache_write_1h == 2 * model.prices[0].input
    request, today = AnswerRequest(max_output_tokens=1), date(2026, 11, 30)
    short, long = (most_nanos(request, 1000, model, today, hour) or 0 for hour in (False, True))
    assert (short, long) == (125_500, 200_500)
