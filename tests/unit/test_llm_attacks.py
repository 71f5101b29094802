"""What a hostile vendor, a hostile question or bad luck may do to an answer, and what it may not."""

import asyncio
from collections.abc import AsyncGenerator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from parlance import clock
from parlance.errors import InvalidRequest, ParlanceError
from parlance.v1.control_pb2 import LlmTarget
from parlance.v1.llm_service_pb2 import AnswerRequest, Citation, Finish, ToolCall, VendorState
from parlance.v1.turn_pb2 import END_COMPLETE
from services.llm import loading
from services.llm.provider import Reasoning, Usage, Value
from services.llm.spending import Spending
from tests.unit.llm_desk import Desk, own_catalogue, question, scripted, targets

PRICED: dict[str, Any] = {"tier": "partner", "vendor": "acme", "input": "1", "output": "5"}
ROOM = 20_000


class Says:
    """A provider that says what it is told to, as a plugin or a vendor might."""

    destination = ""

    def __init__(self, *values: Value) -> None:
        self._values = values
        self.asked: list[AnswerRequest] = []

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[Value, None]:
        self.asked.append(request)
        for value in self._values:
            await asyncio.sleep(0)
            yield value


def desk_of(monkeypatch: pytest.MonkeyPatch, path: Path, *values: Value, **rule: Any) -> tuple[Desk, Says]:
    """A desk whose one target costs and says this."""
    says = Says(*values)
    monkeypatch.setattr(loading.providers, "load", lambda *args, **settings: says)
    models = own_catalogue(path, acme={**PRICED, "tier": "house"})
    return Desk(targets(LlmTarget(target="scripted:acme"), **rule), models=models), says


@pytest.mark.parametrize(
    "usage",
    [
        Usage(input_tokens=-5, output_tokens=2),
        Usage(input_tokens=10**30, output_tokens=2),
        Usage(input_tokens=2, output_tokens=1.5),  # type: ignore[arg-type]
        Usage(input_tokens="many", output_tokens=2),  # type: ignore[arg-type]
        Usage(input_tokens=None, output_tokens=2),  # type: ignore[arg-type]
        Usage(input_tokens=5, output_tokens=2, cache_read_tokens=10**7),
        Usage(input_tokens=5, output_tokens=2, cache_write_tokens=-1),
    ],
)
async def test_a_count_that_makes_no_sense_is_not_believed_and_the_answer_is_booked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, usage: Usage
) -> None:
    desk, _ = desk_of(monkeypatch, tmp_path, "All is well. ", usage)
    async with desk.service:
        assert await desk.text() == "All is well. "
    (booked,) = desk.of("usage")
    assert booked.end == END_COMPLETE and booked.estimated and booked.cost_nanos > 0
    assert min(booked.input_tokens, booked.output_tokens, booked.cache_read_tokens, booked.cache_write_tokens) >= 0
    assert desk.parts.spending._reserved == {}


async def test_a_count_told_twice_is_booked_once_as_told_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    desk, _ = desk_of(monkeypatch, tmp_path, "Well.", Usage(input_tokens=9), Usage(input_tokens=5, output_tokens=1))
    async with desk.service:
        await desk.text()
    (booked,) = desk.of("usage")
    assert (booked.input_tokens, booked.output_tokens) == (5, 1)


BIG = "x" * 10_000_000


@pytest.mark.parametrize(
    "value",
    [
        BIG,
        Reasoning(BIG),
        ToolCall(id="1", name="look", arguments=f'{{"a": "{BIG}"}}'),
        ToolCall(id=BIG, name="look", arguments="{}"),
        VendorState(provider="acme", data=BIG.encode()),
        Citation(url=f"https://example.org/{BIG}"),
        Citation(url="https://example.org/", title=BIG),
    ],
    ids=["text", "thought", "arguments", "id", "state", "url", "title"],
)
async def test_one_huge_piece_does_not_become_a_huge_record(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: Value
) -> None:
    desk, _ = desk_of(monkeypatch, tmp_path, "Well. ", value, Usage(input_tokens=5, output_tokens=1))
    async with desk.service:
        try:
            await desk.ask()
        except ParlanceError as exc:
            assert len(exc.message) < 300
    assert sum(event.ByteSize() for event in desk.events) < 500_000


@pytest.mark.parametrize(
    "value",
    [
        lambda n: ToolCall(id=f"call-{n}", name="look", arguments="{}"),
        lambda n: Citation(url=f"https://example.org/{n}"),
        lambda n: VendorState(provider="acme", data=b"x" * 100),
        lambda n: Reasoning("and "),
    ],
    ids=["calls", "pages", "states", "thoughts"],
)
async def test_thousands_of_pieces_end_the_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: Any) -> None:
    values = [value(n) for n in range(30_000)]
    desk, _ = desk_of(monkeypatch, tmp_path, *values, Usage(input_tokens=5, output_tokens=1))
    async with desk.service:
        parts = await desk.ask()
    assert parts[-1].finished.finish == Finish.FINISH_LENGTH and len(parts) < 10_000
    (booked,) = desk.of("usage")
    assert booked.estimated and booked.cost_nanos > 0


async def test_half_a_character_does_not_end_an_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = ("Well \ud83d", "\ude00 done.", Reasoning("\udc00"), Usage(input_tokens=5, output_tokens=1))
    desk, _ = desk_of(monkeypatch, tmp_path, *values)
    async with desk.service:
        text = await desk.text()
    assert text.startswith("Well ") and text.endswith(" done.")


@pytest.mark.parametrize("most", [-1, -(2**31)])
async def test_less_than_nothing_may_not_be_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, most: int
) -> None:
    desk, says = desk_of(monkeypatch, tmp_path, "Well.", Usage())
    async with desk.service:
        with pytest.raises(InvalidRequest, match="max_output_tokens"):
            await desk.parts_of(question("hello", max_output_tokens=most))
    assert not says.asked


async def test_no_more_is_asked_for_than_was_reserved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    desk, says = desk_of(monkeypatch, tmp_path, "Well.", Usage())
    async with desk.service:
        await desk.parts_of(question("hello", max_output_tokens=2**31 - 1))
    assert says.asked[0].max_output_tokens == 1000


async def test_many_at_once_do_not_pass_a_budget(tmp_path: Path) -> None:
    models = own_catalogue(tmp_path, acme={**PRICED, "tier": "house"})
    target = scripted(
        tmp_path, "acme", answers=[{"text": "Well.", "usage": {"output_tokens": 1000}}], first_delay_s=0.05
    )
    route = targets(target)
    route.budgets.user.day_nanos = int(Decimal("0.0201") * 10**9)  # four times the most that one may cost
    desk = Desk(route, models=models, spending=Spending(clock.now_us))

    async def one(n: int) -> bool:
        try:
            await desk.parts_of(question("hello"), f"c{n}")
        except ParlanceError:
            return False
        return True

    async with desk.service:
        answered = await asyncio.gather(*(one(n) for n in range(40)))
    assert sum(answered) == 4 and sum(u.cost_nanos for u in desk.of("usage")) <= route.budgets.user.day_nanos


async def test_a_second_one_that_comes_too_late_leaves_nothing_reserved(tmp_path: Path) -> None:
    """The first one speaks while the second one is being made."""
    models = own_catalogue(tmp_path, one={**PRICED, "tier": "house"}, two={**PRICED, "tier": "house"})
    one = scripted(tmp_path, "one", answers=[{"text": "Well, all of it."}], first_delay_s=0.05)
    two = scripted(tmp_path, "two", answers=[{"text": "Well, all of it."}])
    one.hedge_ms = 30
    desk = Desk(targets(one, two), models=models)
    made = desk.service._loading.provider

    async def slow(target: LlmTarget, model: Any) -> Any:
        if target.target == "scripted:two":
            await asyncio.sleep(0.1)
        return await made(target, model)

    desk.service._loading.provider = slow  # type: ignore[method-assign]
    async with desk.service:
        assert await desk.text() == "Well, all of it."
    assert desk.parts.spending._reserved == {}
    assert len({u.attempt for u in desk.of("usage")}) == len(desk.of("usage"))
