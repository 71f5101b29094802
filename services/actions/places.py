"""Where in the world something is: a gazetteer searched as it stands on disk (places_build.py makes it)."""

import re
import unicodedata
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_ZONES = {
    **dict.fromkeys(("utc", "gmt", "greenwich", "universal"), "UTC"),
    "pacific": "America/Los_Angeles",
    "mountain": "America/Denver",
    "central": "America/Chicago",
    "eastern": "America/New_York",
    "central european": "Europe/Berlin",
    "british": "Europe/London",
    "japan": "Asia/Tokyo",
    "japanese": "Asia/Tokyo",
    "india": "Asia/Kolkata",
    "indian": "Asia/Kolkata",
}


@dataclass(frozen=True, slots=True)
class Place:
    """`whole`: it was asked for by the name of a country or state, of which `name` is the capital or largest city."""

    name: str
    region: str
    zone: str
    whole: bool = False

    @property
    def spoken(self) -> str:
        return f"{self.name}, {self.region}" if self.whole and self.region != self.name else self.name


def find(text: str) -> Place | None:
    """The place that a text names: the most populous of its name, unless a region follows ("Paris, Texas")."""
    words = key_of(text).removeprefix("the ").split()
    key = " ".join(words)
    if (zone := _zone(key)) is not None:
        return zone
    found = _named(key)
    if found:
        return found[0]
    for cut in range(len(words) - 1, 0, -1):
        region = " ".join(words[cut:])
        wanted = {p.region for p in _named(region)[:1] if p.whole} or {region.title()}
        for place in _named(" ".join(words[:cut])):
            if place.region in wanted:
                return Place(place.name, place.region, place.zone, whole=True)
    return None


def _zone(key: str) -> Place | None:
    name = re.sub(r"( standard| daylight| summer)?( time)?( zone)?$", "", key)
    if name not in _ZONES or (name == key and name in ("japan", "india", "central", "mountain", "pacific")):
        return None
    spoken = "UTC" if _ZONES[name] == "UTC" else f"the {name.title()} time zone"
    return Place(spoken, "", _ZONES[name])


def spoken(name: str) -> str:
    """The name without marks that an English voice cannot read: "Zürich" -> "Zurich"."""
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode() or name


def key_of(name: str) -> str:
    """Lower-case ASCII words: "São Paulo" -> "sao paulo"."""
    plain = name.replace("ł", "l").replace("ø", "o").replace("ß", "ss").replace("'", "")
    return " ".join(re.findall(r"[a-z]+", spoken(plain).lower()))


def _named(key: str) -> list[Place]:
    """All places of this name, most populous first: a binary search for the first line of the key."""
    data, wanted, found = _gazetteer(), key.encode(), []
    at = bisect_left(range(len(data)), wanted, key=lambda position: _key_at(data, position))
    while at < len(data) and _key_at(data, at) == wanted:
        end = data.index(b"\n", at)
        _, name, region, zone, thousands = data[at:end].decode().split("\t")
        found.append(Place(name, region, zone, whole=int(thousands) >= 10**6))
        at = end + 1
    return found


def _key_at(data: bytes, position: int) -> bytes:
    """The key of the line in which this position is; its newline belongs to it."""
    start = data.rfind(b"\n", 0, position) + 1
    return data[start : data.index(b"\t", start)]


@lru_cache(maxsize=1)
def _gazetteer() -> bytes:
    return Path(__file__).with_name("places.tsv").read_bytes()
