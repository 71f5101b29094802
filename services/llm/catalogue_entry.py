"""One entry of the catalogue: what it may hold, checked field by field, and the model that comes of it."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from parlance.egress import leaves
from parlance.errors import InvalidRequest
from parlance.v1.turn_pb2 import Tier
from services.llm.keys import VENDORS
from services.llm.model import CAPABILITIES, Model, Prices

TIERS = {"device": 1, "house": 2, "private": 3, "partner": 4}
PRICES = ("input", "output", "cache_read", "cache_write")
# Of what is put into the cache for an hour (left out: as cache_write); of a thousand of the vendor's own searches, and
# of a second of sound (left out: it has none, or they cost nothing).
MORE = ("cache_write_1h", "web_search", "audio_second")
PRICES_EXAMPLE = "prices: [{since: 2026-11-30, input: 1, output: 5, cache_read: 0.1, cache_write: 1.25}]"
_NAME = re.compile(r"[a-z][a-z0-9_-]*:[^\s*]*\*?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class _Field:
    """`needed`: without it the file is refused. A tier or prices may be missing: then nobody can be routed there."""

    read: Callable[[Any], Any]
    needed: bool = False


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or "\n" in value:
        raise ValueError("is one line of text")
    return value.strip()


def _count(least: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if not isinstance(value, str) or not value.isascii() or not value.isdecimal() or int(value) < least:
            raise ValueError(f"is a whole number of at least {least}")
        return int(value)

    return read


def _tier(value: Any) -> Tier.ValueType:
    if not isinstance(value, str) or value not in TIERS:
        raise ValueError(f"is one of {', '.join(TIERS)}{_near(value, TIERS)}")
    return Tier.ValueType(TIERS[value])


def _day(value: Any) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("is a day such as 2026-11-30") from None


def _names(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not value or not all(isinstance(v, str) and v for v in value):
        raise ValueError("is a list such as [eu, us]")
    return frozenset(value)


def _capabilities(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"is a list of {', '.join(CAPABILITIES)}")
    for one in value:
        if one not in CAPABILITIES:
            raise ValueError(f"is a list of {', '.join(CAPABILITIES)}{_near(one, CAPABILITIES)}")
    return frozenset(value)


def _price(value: Any) -> Decimal:
    try:
        made = Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        made = Decimal(-1)
    if not made.is_finite() or made < 0:
        raise ValueError("is US dollars for a million tokens, such as 0.25")
    return made


def _prices(value: Any) -> tuple[Prices, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"is a list, each with a day: {PRICES_EXAMPLE}")
    made = sorted((_prices_from(one) for one in value), key=lambda p: p.since)
    if len({p.since for p in made}) < len(made):
        raise ValueError("has two prices from the same day on")
    return tuple(made)


def _prices_from(said: Any) -> Prices:
    if not isinstance(said, dict):
        raise ValueError(f"is a list, each with a day: {PRICES_EXAMPLE}")
    known = ("since", *PRICES, *MORE)
    if wrong := [key for key in said if key not in known]:
        raise ValueError(f"does not know '{wrong[0]}'{_near(wrong[0], known)}; each has since, {_LISTED}")
    if missing := [key for key in ("since", *PRICES) if key not in said]:
        raise ValueError(f"has no {missing[0]}: each has since, {_LISTED}")
    given = [*PRICES, *(key for key in MORE if key in said)]
    return Prices(since=_each("since", said, _day), **{key: _each(key, said, _price) for key in given})


_LISTED = ", ".join(PRICES)


def _each(key: str, said: Mapping[str, Any], read: Callable[[Any], Any]) -> Any:
    try:
        return read(said[key])
    except ValueError as exc:
        raise ValueError(f"has {key}: {_shown(said[key])}, which {exc}") from None


def _address(value: Any) -> str:
    parts = urlsplit(value) if isinstance(value, str) else urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError("is an address such as http://models.house:8000/v1, without a name and a password")
    return str(value)


def _variable(value: Any) -> str:
    if not isinstance(value, str) or not _VARIABLE.fullmatch(value):
        raise ValueError("is the name of the variable that holds the key, such as HOUSE_KEY; never a key")
    return value


def _settings(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ValueError("is NAME: VALUE, such as {region: eu-central-1}")
    if "api_key" in value:
        raise ValueError("keeps no keys: api_key_env names the variable that holds it")
    return dict(value)


_FIELDS: Mapping[str, _Field] = {
    "tier": _Field(_tier),
    "prices": _Field(_prices),
    "context_tokens": _Field(_count(1), needed=True),
    "max_output_tokens": _Field(_count(1), needed=True),
    "capabilities": _Field(_capabilities, needed=True),
    "vendor": _Field(_text),
    "speaks_as": _Field(_text),
    "retention_days": _Field(_count(0)),
    "residency": _Field(_names),
    "shuts_down": _Field(_day),
    "wire_name": _Field(_text),
    "base_url": _Field(_address),
    "api_key_env": _Field(_variable),
    "settings": _Field(_settings),
}


def model(name: str, said: Any) -> Model | str:
    """The model of an entry; where it has no tier or no prices, what to write. Raises InvalidRequest, which names the
    entry and the field, where it says what makes no sense."""
    if not _NAME.fullmatch(name):
        raise InvalidRequest(f"'{name}': the name of a model is PROVIDER:MODEL, such as anthropic:claude-haiku-5-5")
    if not isinstance(said, dict):
        raise InvalidRequest(f"{name}: holds fields, such as tier: house")
    for key in said:
        if key not in _FIELDS:
            raise InvalidRequest(f"{name}: unknown field '{key}'{_near(key, _FIELDS)}; known: {', '.join(_FIELDS)}")
    if missing := [key for key, field in _FIELDS.items() if field.needed and key not in said]:
        raise InvalidRequest(f"{name}: {' and '.join(missing)} must be told")
    read = {key: _read(name, key, value) for key, value in said.items()}
    if "tier" not in read:
        return f"{name} has no tier: write tier: {', '.join(TIERS)} (whichever it is) into that entry"
    if "prices" not in read:
        return f"{name} has no prices: write {PRICES_EXAMPLE} (US dollars for a million tokens) into that entry"
    return _model(name, read)


def _read(name: str, key: str, value: Any) -> Any:
    try:
        return _FIELDS[key].read(value)
    except ValueError as exc:
        raise InvalidRequest(f"{name}: {key} {exc}; it says {_shown(value)}") from None


def _model(name: str, read: Mapping[str, Any]) -> Model:
    provider, _, wire_name = name.partition(":")
    settings = {**read.get("settings", {}), **{k: read[k] for k in ("base_url", "api_key_env") if k in read}}
    # A vendor's provider without an address asks its vendor.
    if read["tier"] == Tier.TIER_DEVICE and (
        leaves(address(settings)) or (provider in VENDORS and not address(settings))
    ):
        raise InvalidRequest(f"{name}: base_url is no address of this machine, so its tier is not device")
    return Model(
        name=name,
        wire_name=read.get("wire_name", wire_name),
        vendor=read.get("vendor") or _vendor(provider, read["tier"], settings),
        speaks_as=read.get("speaks_as", ""),
        tier=read["tier"],
        context_tokens=read["context_tokens"],
        max_output_tokens=read["max_output_tokens"],
        capabilities=read["capabilities"],
        prices=read["prices"],
        residency=read.get("residency", frozenset()),
        retention_days=read.get("retention_days", -1),
        shuts_down=read.get("shuts_down"),
        settings=settings,
    )


def _vendor(provider: str, tier: int, settings: Mapping[str, str]) -> str:
    """Whom its users let see their questions: two partners that speak one protocol are two."""
    host = urlsplit(settings.get("base_url", "")).hostname if tier == Tier.TIER_PARTNER else None
    return host or provider


def address(settings: Mapping[str, str]) -> str:
    """Host and port of `base_url`; "": there is none."""
    return host_of(settings.get("base_url", ""))


def host_of(url: str) -> str:
    """Host and port, without a name and password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _shown(value: Any) -> str:
    text = str(value)
    return f"'{text if len(text) <= _SHOWN else text[: _SHOWN - 3] + '...'}'"


def _near(word: Any, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(word).lower(), list(known), 1, 0.6)
    return f" (did you mean '{near[0]}'?)" if near else ""
