"""Line charts as SVG, drawn here so that a report is one file that asks nobody for anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10

Points = Sequence[tuple[float, float]]
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 760, 240, 56, 24, 14, 30
_Y_TICKS = 4
# More points than the eye can part are drawn as the highest of each group.
_POINTS = 600


@dataclass(frozen=True, slots=True)
class Chart:
    """`series`: name -> points. `x_ticks`: (x, label); None: even steps of seconds. `classes`: each line's CSS
    classes, of which the first ends with the number of its colour; None: each line has the next colour."""

    title: str
    unit: str
    series: Mapping[str, Points]
    x_ticks: Sequence[tuple[float, str]] | None = None
    classes: Sequence[str] | None = None


def svg(chart: Chart) -> str:
    """A <figure> with its legend; what it shows stands in its title for those who do not see it."""
    points = [p for line in chart.series.values() for p in line]
    if not points:
        return ""
    x_ticks = chart.x_ticks or seconds(max(x for x, _ in points))
    x_max = max([x for x, _ in points] + [x for x, _ in x_ticks]) or 1.0
    y_ticks = _steps(max(y for _, y in points), _Y_TICKS)
    y_max = y_ticks[-1] or 1.0

    def at(x: float, y: float) -> str:
        across = _LEFT + (_WIDTH - _LEFT - _RIGHT) * x / x_max
        return f"{across:.1f},{_HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * y / y_max:.1f}"

    parts = [_grid(at(0, y), f"{y:g}") for y in y_ticks] + [_tick(at(x, 0), label) for x, label in x_ticks]
    classes = chart.classes or [f"s{n}" for n in range(len(chart.series))]
    for name, line in zip(classes, chart.series.values(), strict=True):
        path = " ".join(at(x, y) for x, y in _fewer(line))
        parts.append(f'<polyline class="{name}" points="{path}"/>' if line else "")
    keys = "".join(_key(name, of) for name, of in zip(classes, chart.series, strict=True))
    title = escape(f"{chart.title} ({chart.unit})")
    return (
        f"<figure><figcaption>{title} <small>{keys}</small></figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
        f"<title>{title}</title>{''.join(parts)}</svg></figure>"
    )


def seconds(longest: float) -> list[tuple[float, str]]:
    """The ticks of a time axis."""
    return [(x, f"{x:g} s") for x in _steps(longest, 8)]


def _key(line: str, name: str) -> str:
    dashes = '<i aria-hidden="true">- - </i>' if "thin" in line else ""
    return f'<span class="k{line[1]}">{dashes}{escape(name)}</span>'


def _grid(at: str, label: str) -> str:
    x, y = at.split(",")
    return (
        f'<line class="grid" x1="{x}" y1="{y}" x2="{_WIDTH - _RIGHT}" y2="{y}"/>'
        f'<text x="{_LEFT - 6}" y="{float(y) + 4:.1f}" text-anchor="end">{escape(label)}</text>'
    )


def _tick(at: str, label: str) -> str:
    x = at.split(",")[0]
    return f'<text x="{x}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(label)}</text>'


def _steps(highest: float, wanted: int) -> list[float]:
    """Round numbers from 0 to `highest` or just above."""
    if highest <= 0:
        return [0.0, 1.0]
    rough = highest / wanted
    size = 10.0 ** floor(log10(rough))
    step = next(size * f for f in (1, 2, 5, 10) if size * f >= rough)
    count = int(highest / step - 1e-9) + 1
    return [round(step * n, 10) for n in range(count + 1)]


def _fewer(line: Points) -> Points:
    size = max(1, -(-len(line) // _POINTS))
    groups = (line[n : n + size] for n in range(0, len(line), size))
    return [max(group, key=lambda p: p[1]) for group in groups] if size > 1 else line
