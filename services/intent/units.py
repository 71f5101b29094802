"""Which quantity is to become which unit: "how many cups are in two liters" -> 2, liter, cup."""

import re

from services.intent.numbers import to_digits

# Singular name: what else it is called, as regular expressions.
_UNITS = {
    "kilometer": r"kilomet(?:er|re)s?|kms?|k ?m",
    "centimeter": r"centimet(?:er|re)s?|cms?",
    "millimeter": r"millimet(?:er|re)s?|mm",
    "meter": r"met(?:er|re)s?|m",
    "mile": r"miles?|mi",
    "yard": r"yards?|yd",
    "foot": r"foot|feet|ft",
    "inch": r"inch(?:es)?",
    "nautical mile": r"nautical miles?",
    "light year": r"light ?years?",
    "kilogram": r"kilogram(?:me)?s?|kilos?|kgs?",
    "milligram": r"milligram(?:me)?s?|mg",
    "gram": r"gram(?:me)?s?|g",
    "pound": r"pounds?|lbs?",
    "ounce": r"ounces?|oz",
    "stone": r"stones?",
    "tonne": r"tonnes?|metric tons?",
    "ton": r"tons?",
    "milliliter": r"millilit(?:er|re)s?|ml",
    "centiliter": r"centilit(?:er|re)s?|cl",
    "deciliter": r"decilit(?:er|re)s?|dl",
    "liter": r"lit(?:er|re)s?|l",
    "gallon": r"gallons?",
    "quart": r"quarts?",
    "pint": r"pints?",
    "cup": r"cups?",
    "fluid ounce": r"fluid ounces?|fl\.? oz",
    "tablespoon": r"tablespoons?|tbsp",
    "teaspoon": r"teaspoons?|tsp",
    "celsius": r"(?:degrees? )?(?:celsius|celcius|centigrade)|degrees? c",
    "kelvin": r"(?:degrees? )?kelvins?",
    "fahrenheit": r"(?:degrees? )?(?:fahrenheit|farenheit)|degrees? f",
    "millisecond": r"milliseconds?",
    "second": r"seconds?",
    "minute": r"minutes?",
    "hour": r"hours?",
    "day": r"days?",
    "week": r"weeks?",
    "month": r"months?",
    "year": r"years?",
    "mile per hour": r"miles? (?:per|an) hour|mph",
    "kilometer per hour": r"kilomet(?:er|re)s? (?:per|an) hour|km/?h|kph",
    "meter per second": r"met(?:er|re)s? (?:per|a) second|m/s",
    "knot": r"knots?",
    "square meter": r"square met(?:er|re)s?",
    "square kilometer": r"square kilomet(?:er|re)s?",
    "square foot": r"square (?:foot|feet)",
    "square mile": r"square miles?",
    "acre": r"acres?",
    "hectare": r"hectares?",
    "kilobyte": r"kilobytes?|kb",
    "megabyte": r"megabytes?|mb",
    "gigabyte": r"gigabytes?|gb",
    "terabyte": r"terabytes?|tb",
    "byte": r"bytes?",
    "bit": r"bits?",
}
_PATTERNS = {name: re.compile(pattern) for name, pattern in _UNITS.items()}
_UNIT = "|".join(sorted(_UNITS.values(), key=len, reverse=True))
_AMOUNT = r"(?P<amount>(?:minus |negative |-)?\d[\d./]*|half an?|half|an?(?: single)?|1)"
_COUNTED = re.compile(
    rf"\bhow (?:many|much|long|far|tall|hot|warm) (?P<to>{_UNIT})\b(?: would| does)?(?: is| are| was| make| do"
    rf"| be| there| we| you)* "
    rf"?(?:\b(?:in|to|per|into|inside|equals?|from|for) )?(?:the )?{_AMOUNT}? ?,? ?(?P<from>{_UNIT})\b"
)
_INTO = re.compile(
    rf"(?:^|\b|(?<=\d)){_AMOUNT} ?,? ?(?P<from>{_UNIT})(?: is| are| was| equals?)? ?,? (?:in ?to|in|to|as|and"
    rf"|an?)(?: an?)? (?P<to>{_UNIT})\b"
)
_BARE = re.compile(rf"\b(?P<from>{_UNIT}) (?:in ?to|in|to) (?P<to>{_UNIT})\b")


def conversion(text: str) -> dict[str, str]:
    """Slots quantity, from and to; {} where the text names no two units that way."""
    spelled = to_digits(text).replace("\u00b0", " degrees ").strip(" .?!").replace("k.m", "km")
    spelled = re.sub(r"\bdegrees (?=\d)", "", spelled)
    found = _COUNTED.search(spelled) or _INTO.search(spelled) or _BARE.search(spelled)
    if found is None or spelled.startswith("what is the difference"):
        return {}
    source, target = _named(found["from"]), _named(found["to"])
    if source == target:
        return {}
    return {"quantity": _quantity(found.groupdict().get("amount") or ""), "from": source, "to": target}


def _named(said: str) -> str:
    return next(name for name, pattern in _PATTERNS.items() if pattern.fullmatch(said))


def _quantity(said: str) -> str:
    if said.startswith("half"):
        return "0.5"
    number = re.sub(r"^(?:minus|negative) ", "-", said)
    return number if number[-1:].isdigit() else "1"
