"""Evaluates tokens of arithmetic by precedence climbing, over exact fractions where the value is rational.

Nothing is ever evaluated as code. Work is bounded: powers and factorials of more than 300 digits are refused before
they are computed, and so are expressions of more than 200 tokens.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

Number = Fraction | float
Token = Fraction | str

_MAX_DIGITS = 300
_MAX_TOKENS = 200
_BINDS = {"+": 1, "-": 1, "*": 2, "/": 2, "mod": 2, "^": 4}
_PREFIX_BINDS = 3
_ROOTS = {"sqrt": 2, "cbrt": 3}
_FACTORS = {"2*": 2, "3*": 3}
_WRONG = "I did not understand that calculation. Say, for example, seven times twelve."
_LARGE = "That number is too large for me."
_POSTFIX = ("sq", "cb", "%", "!")


class NotArithmetic(ValueError):
    """What was said is no calculation, or one without an answer; its text is for the user."""


def value_of(tokens: Sequence[Token]) -> Number:
    """Raises NotArithmetic or ZeroDivisionError."""
    if len(tokens) > _MAX_TOKENS:
        raise NotArithmetic("That calculation is too long for me.")
    parser = _Parser(tokens)
    try:
        value = parser.expression(0)
        finite = math.isfinite(float(value))
    except OverflowError:
        finite = False
    if parser.peek() is not None:
        raise NotArithmetic(_WRONG)
    if not finite:
        raise NotArithmetic(_LARGE)
    return value


class _Parser:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def peek(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def expression(self, binds: int) -> Number:
        left = self._operand()
        while isinstance(operator := self.peek(), str) and _BINDS.get(operator, 0) > binds:
            self._at += 1
            start = self._at
            # To the right of "^" the same operator binds again: 2 ^ 3 ^ 2 is 2 ^ 9.
            right = self.expression(_BINDS[operator] - (operator == "^"))
            if operator in "+-" and self._tokens[start + 1 : self._at] == ["%"]:
                right = left * right  # "80 plus 10 percent": of what stands before
            left = _apply(operator, left, right)
        return left

    def _operand(self) -> Number:
        token = self._next()
        if isinstance(token, Fraction):
            value: Number = token
        elif token == "(":
            value = self.expression(0)
            if self._next() != ")":
                raise NotArithmetic(_WRONG)
        else:
            return self._prefixed(token)
        return self._postfixed(value)

    def _prefixed(self, token: Token | None) -> Number:
        if token in ("-", "neg"):
            return -self.expression(_PREFIX_BINDS)
        if token in _ROOTS:
            return _root(self.expression(_PREFIX_BINDS), _ROOTS[str(token)])
        if token in _FACTORS:
            return _FACTORS[str(token)] * self.expression(_PREFIX_BINDS)
        raise NotArithmetic(_WRONG)

    def _postfixed(self, value: Number) -> Number:
        while (token := self.peek()) in _POSTFIX:
            self._at += 1
            if token == "%":
                value = value / 100
            elif token == "!":
                value = _factorial(value)
            else:
                value = _power(value, Fraction(2 if token == "sq" else 3))
        return value

    def _next(self) -> Token | None:
        token = self.peek()
        self._at += 1
        return token


def _apply(operator: str, left: Number, right: Number) -> Number:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return left / right
        case "mod":
            return left % right
    return _power(left, right)


def _power(base: Number, exponent: Number) -> Number:
    if base == 0 and exponent < 0:
        raise ZeroDivisionError
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        digits = len(str(max(abs(base.numerator), base.denominator)))
        if digits * abs(exponent) > _MAX_DIGITS and abs(base) not in (0, 1):
            raise NotArithmetic(_LARGE)
        return Fraction(1) if base == 1 else Fraction(base ** int(exponent))
    if base < 0:
        raise NotArithmetic("That has no real answer.")
    return math.pow(base, exponent)


def _root(value: Number, degree: int) -> Number:
    if value < 0 and degree == 2:
        raise NotArithmetic("A negative number has no real square root.")
    if isinstance(value, Fraction):
        above, below = _whole_root(abs(value.numerator), degree), _whole_root(value.denominator, degree)
        if above is not None and below is not None:
            return Fraction(above if value >= 0 else -above, below)
    return math.copysign(abs(float(value)) ** (1 / degree), value)


def _whole_root(value: int, degree: int) -> int | None:
    guess = math.isqrt(value) if degree == 2 else round(value ** (1 / 3))
    return guess if guess**degree == value else None


def _factorial(value: Number) -> Fraction:
    if value < 0 or value != int(value):
        raise NotArithmetic("Only a whole number has a factorial.")
    if value > 150:
        raise NotArithmetic(_LARGE)
    return Fraction(math.factorial(int(value)))
