"""Conversion of units: "ten miles in kilometers", "how many cups are in a gallon", "70 fahrenheit to celsius"."""

import re
from collections.abc import Sequence
from fractions import Fraction

from parlance.spoken import Words, capital, join, number_in, take_number, words_of
from services.actions.domain import Action, Asked, Done, Effect
from services.actions.domains.unit_table import BY_NAME, Unit

_LONGEST = 4
_HELP = "Tell me what to convert into what. Say, for example, ten miles in kilometers."
_SPELLED = (
    (re.compile(r"°"), " degrees "),
    (re.compile(r"\bsq\.?\b"), "square"),
    (re.compile(r"\b(?:cu|cubic)\b\.?"), "cubic"),
    (re.compile(r"\bfl\.? ?oz\b"), "floz"),
    (re.compile(r"\bkm ?/ ?h\b"), "kmh"),
    (re.compile(r"\bm ?/ ?s\b"), "meters per second"),
    (re.compile(r"(?<=s) an hour\b"), " per hour"),
)

Amount = tuple[Fraction, list[Unit]]


def convert(asked: Asked) -> Done:
    amounts, targets = _slots(asked)
    said = _read(asked.text)
    if not targets or (said[1] and len(said[0]) > len(amounts)):  # "5 feet 11 inches" is more than a slot holds
        amounts, targets = said
    if not amounts or not targets:
        return Done(_HELP)
    target = next((t for t in targets if all(_fits(options, t) for _, options in amounts)), None)
    if target is None:
        return Done(f"I cannot convert {amounts[0][1][0].many} into {targets[0].many}.")
    chosen = [(count, next(o for o in options if _fits([o], target))) for count, options in amounts]
    exact, number = _round((sum(_base(n, o) for n, o in chosen) - target.zero) / target.factor)
    source = join([_say(*_round(n), o) for n, o in chosen])
    return Done(f"{capital(source)} is {_say(exact, number, target)}.")


def _fits(options: Sequence[Unit], target: Unit) -> bool:
    return any(o.quantity == target.quantity and o != target for o in options) or target in options[:1]


def _base(count: Fraction, unit: Unit) -> Fraction:
    return count * unit.factor + unit.zero


def _slots(asked: Asked) -> tuple[list[Amount], list[Unit]]:
    quantity, source, target = asked.slot("quantity"), _named(asked.slot("from")), _named(asked.slot("to"))
    if not source or not target:
        return [], []
    count = number_in(quantity) if quantity else Fraction(1)
    if count is None:
        return [], []
    return [(-count if quantity.lower().startswith(("-", "minus", "negative")) else count, source)], target


def _named(name: str) -> list[Unit]:
    words = _words(name)
    units, end = _take_unit(words, 0) if words else ([], 0)
    return units if end == len(words) else []


def _words(text: str) -> list[str]:
    plain = text.lower()
    for pattern, spelled in _SPELLED:
        plain = pattern.sub(spelled, plain)
    return words_of(plain)


def _read(text: str) -> tuple[list[Amount], list[Unit]]:
    """What is counted, and what it is to become. "How many cups in two gallons": the bare unit is the target."""
    words = _words(text)
    amounts: list[Amount] = []
    bare: list[list[Unit]] = []
    at = 0
    while at < len(words):
        count, end = _take_count(words, at)
        units, after = _take_unit(words, end, counted=count is not None)
        if not units:
            at = max(end, at + 1)
            continue
        if count is None:
            bare.append(units)
        else:
            amounts.append((-count if at and words[at - 1] in ("minus", "negative", "-") else count, units))
        at = after
    if not amounts and len(bare) == 2:
        source, target = reversed(bare) if "many" in words or "much" in words else bare
        return [(Fraction(1), source)], target
    return amounts, bare[-1] if bare else []


def _take_count(words: Words, at: int) -> tuple[Fraction | None, int]:
    taken = take_number(words, at)
    if taken is not None:
        count, end = taken
        while end < len(words) and words[end] in ("a", "an", "of"):
            end += 1
        return count, end
    return (Fraction(1), at + 1) if words[at] in ("a", "an") else (None, at)


def _take_unit(words: Words, at: int, counted: bool = False) -> tuple[list[Unit], int]:
    if words[at : at + 1] == ["in"] and not (counted and words[at + 1 : at + 2] in (["to"], ["in"], ["into"])):
        return [], at
    for length in range(_LONGEST, 0, -1):
        name = " ".join(words[at : at + length])
        if at + length <= len(words) and name in BY_NAME:
            return BY_NAME[name], at + length
    return [], at


def _round(value: Fraction) -> tuple[bool, str]:
    """Two decimals; below one, three figures that count."""
    size, places = abs(value), 2
    while size and size < Fraction(1, 10 ** (places - 2)) and places < 12:
        places += 1
    rounded = Fraction(round(size * 10**places), 10**places)
    digits = f"{float(rounded):,.{places}f}".rstrip("0").rstrip(".")
    return rounded == size, f"minus {digits}" if value < 0 and rounded else digits


def _say(exact: bool, number: str, unit: Unit) -> str:
    return f"{'' if exact else 'about '}{number} {unit.one if number == '1' else unit.many}"


ACTIONS = {"unit.convert": Action(Effect.READ, answer=convert)}
