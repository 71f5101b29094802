import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.actions.domains.arithmetic import NotArithmetic
from services.actions.domains.calculator import evaluate
from tests.unit.actions_rows import User


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("what is seven times twelve", "Seven times twelve is 84."),
        ("What is 7 times 12?", "7 times 12 is 84."),
        ("7*12", "7 times 12 is 84."),
        ("20 percent of 80", "20 percent of 80 is 16."),
        ("what's 15% of 60", "15 percent of 60 is 9."),
        ("100 minus 20 percent", "100 minus 20 percent is 80."),
        ("what is the square root of two", "The square root of two is about 1.414214."),
        ("square root of 144", "Square root of 144 is 12."),
        ("two to the power of ten", "Two to the power of ten is 1,024."),
        ("two to the third power", "Two to the third power is 8."),
        ("2 ** 3 ** 2", "2 to the power of 3 to the power of 2 is 512."),
        ("(5+3)*2", "(5 plus 3) times 2 is 16."),
        ("what is 5 plus 3 times 2", "5 plus 3 times 2 is 11."),
        ("subtract 5 from 12", "12 minus 5 is 7."),
        ("what is the sum of 3 and 4", "3 plus 4 is 7."),
        ("one third plus one sixth", "One third plus one sixth is 0.5."),
        ("minus five plus 3", "Minus five plus 3 is minus 2."),
        ("half of 50", "Half of 50 is 25."),
        ("5 factorial", "5 factorial is 120."),
        ("1,000,000 times 1,000,000", "1,000,000 times 1,000,000 is 1,000,000,000,000."),
        ("how much is 18 percent of 54 dollars", "18 percent of 54 dollars is 9.72."),
    ],
)
def test_a_calculation_is_answered_in_the_words_it_was_asked_in(asked: str, said: str) -> None:
    assert User().says("calc.evaluate", asked) == said


def test_the_expression_slot_goes_before_the_text() -> None:
    assert User().says("calc.evaluate", "whatever", expression="7 * 12") == "7 times 12 is 84."


@pytest.mark.parametrize("asked", ["ten divided by zero", "10/0", "zero to the minus one", "5 mod 0"])
def test_dividing_by_zero_is_answered_politely(asked: str) -> None:
    assert User().says("calc.evaluate", asked) == "Nothing can be divided by zero."


@pytest.mark.parametrize("asked", ["2^1000000", "9^9^9", "999 factorial", "10^200 * 10^200"])
def test_a_number_without_end_is_refused_before_it_is_computed(asked: str) -> None:
    assert User().says("calc.evaluate", asked) == "That number is too large for me."


@pytest.mark.parametrize("asked", ["what is the meaning of life", "", "seven plus", "import os", "()", "__class__"])
def test_what_is_no_calculation_is_asked_for_again(asked: str) -> None:
    assert "Say, for example, seven times twelve." in User().says("calc.evaluate", asked)


def test_a_very_long_expression_is_refused() -> None:
    with pytest.raises(NotArithmetic):
        evaluate("1" + "+1" * 5000)


@given(
    st.recursive(
        st.integers(0, 99).map(str),
        lambda e: st.tuples(e, st.sampled_from("+-*"), e).map("({0[0]} {0[1]} {0[2]})".format),
        max_leaves=8,
    )
)
def test_it_agrees_with_python_on_whole_numbers(expression: str) -> None:
    assert evaluate(expression) == eval(expression)


@given(st.text(alphabet="0123456789+-*/^%!() .,abcdefghijklmnopqrstuvwxyz", max_size=40))
def test_any_text_gets_a_sentence(text: str) -> None:
    assert User().says("calc.evaluate", text).endswith(".")
