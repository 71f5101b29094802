"""Arithmetic as it is spoken: "what is seven times twelve", "20 percent of 80", "the square root of two".

Words become tokens here; arithmetic.py evaluates them.
"""

import re
from fractions import Fraction

from parlance.spoken import capital, take_number, words_of
from services.actions.domain import Action, Asked, Done, Effect
from services.actions.domains.arithmetic import NotArithmetic, Number, Token, value_of

_LEAD = re.compile(
    r"^(?:(?:hey|please|okay|and|so|can you|could you|what(?:'s| is| are|s)|how much (?:is|are)|tell me|calculate|"
    r"compute|work out|solve|evaluate|give me|the result of|equals?)\b[\s,]*)+"
)
_TAIL = re.compile(r"[\s,]*(?:(?:\bplease\b|\bequals?(?: to)?\b|\bis\b|=|[?.]|(?<!\d)!)\s*)+$")
_OPERATORS = {
    **{"multiplied by": "*", "times": "*", "x": "*", "\u00d7": "*", "divided by": "/", "over": "/", "\u00f7": "/"},
    **{"plus": "+", "added to": "+", "minus": "-", "less": "-"},
    **{"to the power of": "^", "to the": "^", "raised to": "^"},
    **{"square root of": "sqrt", "root of": "sqrt", "cube root of": "cbrt", "squared": "sq", "cubed": "cb"},
    **{"percent": "%", "per cent": "%", "modulo": "mod", "mod": "mod", "of": "*", "* *": "^"},
    **{"double": "2*", "twice": "2*", "triple": "3*", "factorial": "!", "negative": "neg"},
    **dict.fromkeys(("the", "a", "power", "value of", ",", "dollars", "euros", "pounds", "$", "\u20ac", "\u00a3"), ""),
    **{sign: sign for sign in "+-*/^%!()"},
}
_LONGEST = max(len(phrase.split()) for phrase in _OPERATORS)
# "add 5 and 7" is "5 plus 7": the words between and around the operands become one operator.
_REWRITTEN = (
    (re.compile(r"^add (.+?) (?:and|to|with) (.+)$"), r"\1 plus \2"),
    (re.compile(r"^subtract (.+?) from (.+)$"), r"\2 minus \1"),
    (re.compile(r"^multiply (.+?) (?:by|and|with) (.+)$"), r"\1 times \2"),
    (re.compile(r"^divide (.+?) by (.+)$"), r"\1 divided by \2"),
    (re.compile(r"\b(?:the )?sum of (.+?) and (.+)$"), r"\1 plus \2"),
    (re.compile(r"\b(?:the )?difference (?:between|of) (.+?) and (.+)$"), r"\1 minus \2"),
    (re.compile(r"\b(?:the )?product of (.+?) and (.+)$"), r"\1 times \2"),
)
_ORDINAL = {"second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "tenth": 10}
_HELP = "I can only calculate with numbers. Say, for example, seven times twelve."


def calculate(asked: Asked) -> Done:
    said = _bare(asked.slot("expression")) or _bare(asked.text)
    try:
        value = evaluate(said)
    except NotArithmetic as exc:
        return Done(str(exc))
    except ZeroDivisionError:
        return Done("Nothing can be divided by zero.")
    exact, spoken = say(value)
    return Done(f"{capital(_echo(said))} {'is' if exact else 'is about'} {spoken}.")


def evaluate(text: str) -> Number:
    """The value of a spoken expression, exact where it is rational. Raises NotArithmetic or ZeroDivisionError."""
    return value_of(_tokens(words_of(_bare(text))))


def say(value: Number) -> tuple[bool, str]:
    """(whether it is the exact value, how it is said)."""
    size: Number = -value if value < 0 else value
    if size >= 10**15 or 0 < size < Fraction(1, 10**6):
        mantissa, _, exponent = f"{float(size):.3e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".")
        return False, f"{_sign(value)}{mantissa} times 10 to the power of {int(exponent)}"
    rounded = Fraction(round(Fraction(size) * 10**6), 10**6)
    whole, part = divmod(rounded, 1)
    decimals = f"{float(part):.6f}"[1:].rstrip("0").rstrip(".")
    return isinstance(value, Fraction) and rounded == size, f"{_sign(value)}{whole:,}{decimals}"


def _sign(value: Number) -> str:
    return "minus " if value < 0 else ""


def _bare(text: str) -> str:
    bare = _TAIL.sub("", _LEAD.sub("", text.strip().lower().replace("**", "^"))).strip()
    bare = re.sub(r"(\d)(?:st|nd|rd|th)\b", r"\1", bare)
    for pattern, operator in _REWRITTEN:
        bare = pattern.sub(operator, bare)
    return bare


def _echo(said: str) -> str:
    spoken = re.sub(r"\s*([*\u00d7])\s*", " times ", said)
    spoken = re.sub(r"(?<=\d)\s*x\s*(?=\d)", " times ", spoken)
    for sign, word in (("/", "divided by"), ("\u00f7", "divided by"), ("+", "plus"), ("^", "to the power of")):
        spoken = spoken.replace(sign, f" {word} ")
    spoken = re.sub(r"\s+-\s*|(?<=\d)-(?=\d)", " minus ", spoken).replace("%", " percent")
    return re.sub(r"\s+", " ", spoken).strip()


def _tokens(words: list[str]) -> list[Token]:
    made: list[Token] = []
    at = 0
    while at < len(words):
        if made[-1:] == ["^"] and words[at] in _ORDINAL:
            made, at = [*made, Fraction(_ORDINAL[words[at]])], at + 1
            continue
        taken = take_number(words, at)
        if taken is not None:
            made, at = [*made, taken[0]], taken[1]
            continue
        token, at = _operator(words, at)
        if token:
            made.append(token)
    return made


def _operator(words: list[str], at: int) -> tuple[str, int]:
    for length in range(_LONGEST, 0, -1):
        phrase = " ".join(words[at : at + length])
        if len(words) >= at + length and phrase in _OPERATORS:
            return _OPERATORS[phrase], at + length
    raise NotArithmetic(_HELP)


ACTIONS = {"calc.evaluate": Action(Effect.READ, answer=calculate)}
