"""The units that are known, with all their names.

The factors are exact by definition (NIST Handbook 44, BIPM SI brochure); cooking measures and gallons are those of the
United States. A library of all units costs half a second at its import; this table is read in no time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Unit:
    """`factor`: of the quantity's base unit; `zero`: where a temperature's scale begins, in kelvin."""

    one: str
    many: str
    quantity: str
    factor: Fraction
    zero: Fraction = Fraction(0)


# quantity: (name [plural after "/"], other names, factor)
_TABLE: dict[str, tuple[tuple[str, str, str], ...]] = {
    "length": (
        *(("meter", "metre m", "1"), ("kilometer", "kilometre km", "1000"), ("centimeter", "centimetre cm", "0.01")),
        *(("millimeter", "millimetre mm", "0.001"), ("mile", "mi", "1609.344"), ("yard", "yd", "0.9144")),
        *(("foot/feet", "ft", "0.3048"), ("inch/inches", "in", "0.0254"), ("nautical mile", "nmi", "1852")),
        *(("micrometer", "micron", "0.000001"), ("light year", "lightyear", "9460730472580800")),
    ),
    "weight": (
        *(("gram", "gramme g", "1"), ("kilogram", "kilogramme kg kilo", "1000"), ("milligram", "mg", "0.001")),
        *(("pound", "lb lbs", "453.59237"), ("ounce", "oz", "28.349523125"), ("ton", "", "907184.74")),
        *(("stone/stone", "stones", "6350.29318"), ("tonne", "metric_ton", "1000000")),
    ),
    "volume": (
        *(("liter", "litre l", "1"), ("milliliter", "millilitre ml", "0.001"), ("gallon", "gal", "3.785411784")),
        *(("quart", "qt", "0.946352946"), ("pint", "pt", "0.473176473"), ("cup", "", "0.2365882365")),
        *(("fluid ounce", "floz", "0.0295735295625"), ("tablespoon", "tbsp", "0.01478676478125")),
        *(("teaspoon", "tsp", "0.00492892159375"), ("cubic meter", "", "1000")),
        *(("centiliter", "centilitre cl", "0.01"), ("deciliter", "decilitre dl", "0.1")),
        ("cubic foot/cubic feet", "", "28.316846592"),
    ),
    "temperature": (("kelvin/kelvin", "kelvins", "1"),),
    "time": (
        *(("second", "sec s", "1"), ("minute", "min", "60"), ("hour", "hr h", "3600"), ("day", "", "86400")),
        *(("week", "", "604800"), ("year", "", "31557600"), ("millisecond", "ms", "0.001"), ("month", "", "2629800")),
    ),
    "area": (
        *(("square meter", "sqm", "1"), ("square kilometer", "", "1000000")),
        *(("square foot/square feet", "", "0.09290304"), ("square yard", "", "0.83612736")),
        *(("square mile", "", "2589988.110336"), ("acre", "", "4046.8564224"), ("hectare", "ha", "10000")),
        ("square inch/square inches", "", "0.00064516"),
    ),
    "speed": (
        ("meter per second/meters per second", "", "3.6"),
        ("kilometer per hour/kilometers per hour", "kmh kph", "1"),
        *(("mile per hour/miles per hour", "mph", "1.609344"), ("knot", "", "1.852")),
    ),
    "data": (
        *(("byte", "", "1"), ("bit", "", "0.125"), ("kilobyte", "kb", "1000"), ("megabyte", "mb", "1000000")),
        *(("gigabyte", "gb", "1000000000"), ("terabyte", "tb", "1000000000000")),
    ),
    "energy": (
        *(("joule", "", "1"), ("kilojoule", "kj", "1000"), ("calorie", "cal", "4184"), ("watt hour", "", "3600")),
        ("kilowatt hour", "kwh", "3600000"),
    ),
}
CELSIUS = Unit("degree Celsius", "degrees Celsius", "temperature", Fraction(1), Fraction("273.15"))
FAHRENHEIT = Unit(*("degree Fahrenheit", "degrees Fahrenheit", "temperature"), Fraction(5, 9), Fraction(45967, 180))


def _units() -> Iterator[tuple[str, Unit]]:
    for quantity, entries in _TABLE.items():
        for name, others, factor in entries:
            one, _, many = name.partition("/")
            unit = Unit(one, many or f"{one}s", quantity, Fraction(factor))
            for each in (one, unit.many, *others.replace("_", " ").split(" ")):
                yield each, unit
            for each in others.split():
                yield f"{each}s", unit
    for name in ("celsius", "centigrade", "degrees celsius", "degrees centigrade", "degree celsius", "c", "degrees c"):
        yield name, CELSIUS
    for name in ("fahrenheit", "degrees fahrenheit", "degree fahrenheit", "f", "degrees f", "fahrenheits"):
        yield name, FAHRENHEIT


def _index() -> dict[str, list[Unit]]:
    made: dict[str, list[Unit]] = {}
    for name, unit in _units():
        if name and unit not in made.setdefault(name, []):
            made[name].append(unit)
    made["metric ton"] = made["metric tons"] = made["tonne"]
    made["ounce"] = made["ounces"] = made["oz"] = [*made["ounce"], *made["fluid ounce"]]
    made["degrees"] = [FAHRENHEIT, CELSIUS]
    return made


# Every name with the units that it may mean: an ounce may weigh or be poured.
BY_NAME = _index()
