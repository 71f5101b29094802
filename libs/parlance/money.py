"""US dollars: kept as an int64 of dollars / 1e9 ("nanos"), told as decimal numbers; never a float on the way."""

_NANOS = 10**9
# Decimal places: at least cents; of amounts below a dollar as many as show two figures, six at most.
_LEAST, _MOST = 2, 6
_SMALLEST = 10 ** (9 - _MOST)


def dollars(nanos: int) -> str:
    """Exactly, at least to the cent: "12.50", "0.000001234", "-0.10"."""
    whole, part = divmod(abs(nanos), _NANOS)
    places = f"{part:09d}"
    kept = places[:_LEAST] + places[_LEAST:].rstrip("0")
    return f"{'-' if nanos < 0 else ''}{whole}.{kept}"


def shown(*amounts: int) -> list[str]:
    """A column of amounts for a person to read, all with as many places as the smallest one that is something needs:
    "$12.5000", "$0.0042"."""
    places = max((_places(abs(nanos)) for nanos in amounts), default=_LEAST)
    return [_shown(nanos, places) for nanos in amounts]


def paid(nanos: int) -> str:
    """Behind what it was for: ", $0.0042"; nothing where it was free."""
    return f", {shown(nanos)[0]}" if nanos else ""


def _places(nanos: int) -> int:
    """So many that the first two figures show."""
    if nanos == 0 or nanos >= _NANOS:
        return _LEAST
    return min(_MOST, max(_LEAST, 11 - len(str(nanos))))


def _shown(nanos: int, places: int) -> str:
    if nanos == 0:
        return "$0"
    if 0 < nanos < _SMALLEST:
        return f"<$0.{'1'.zfill(_MOST)}"
    unit = 10 ** (9 - places)
    whole, part = divmod((abs(nanos) + unit // 2) // unit, 10**places)
    return f"{'-' if nanos < 0 else ''}${whole:,}.{part:0{places}d}"
