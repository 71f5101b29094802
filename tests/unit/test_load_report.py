"""Reports of load runs: one file that needs nothing else, and two runs beside each other."""

import re
from html.parser import HTMLParser
from io import StringIO
from typing import Any

from rich.console import Console

from parlance import load_compare, load_report, load_show
from parlance.load_charts import Chart, svg
from parlance.load_job import Row
from parlance.load_result import Result


def _told(slower: float = 0.0, turns: int = 400) -> dict[str, Any]:
    """A turn every 10 ms, answered after 5 ms, and each tenth after 50; every hundredth fails."""
    rows = []
    for n in range(turns):
        due, took = 10.0 * n, (50.0 if n % 10 == 0 else 5.0) + slower
        outcome, error = ("failed", "<b>no model</b>") if n % 100 == 0 else ("answered", "")
        rows.append(Row(n, due, due, due + 0.2, due + 1.0, due + took, due + took, outcome, error))
    plan = {"run": f"run-{slower:g}", "turns": turns, "sessions": 1, "speed": 1.0, "sound": False, "processes": 1}
    plan["file"] = {"name": "<a>.replay", "sha256": "s", "origin": "record"}
    machine: list[Any] = [{"at_s": float(n), "busy": 0.25, "load": 1.0} for n in range(4)]
    lag: list[Any] = [{"at_s": float(n), "records": {"dialogue": n, "intent": 0}} for n in range(4)]
    stages = {
        "totals": [{"stage": "llm", "until": "first piece", "provider": "<x>", "count": 9, "p50_ms": 1.0, "p95_ms": 2}],
        "over_time": {"llm": [[0.0, 1.0, 2.0], [1.0, 3.0, 9.0]], "intent": [[0.0, 1.0, 1.5]]},
    }
    return Result(plan, rows, machine, took_s=4.0, stretches=1, lag=lag, stages=stages).as_json()


class _Page(HTMLParser):
    """Its tags with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_report_is_one_file_that_asks_nobody_for_anything() -> None:
    html = load_report.html(_told())
    page = _Page(html)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object"}
    assert not any(name in attrs for _, attrs in page.tags for name in ("src", "href"))
    assert "url(" not in html and "http" not in html and "@import" not in html


def test_the_report_shows_every_chart_and_escapes_what_others_wrote() -> None:
    page = _Page(load_report.html(_told()))
    titles = [t for t in page.text if t.endswith(")")]
    for wanted in (
        *("over time (ms)", "by percentile (ms)", "Throughput", "not answered", "The machine"),
        *("Stages over time", "due and have not ended", "behind what was intended", "have still to do"),
    ):
        assert any(wanted in title for title in titles), wanted
    assert "<x>" in page.text and {"dialogue", "llm", "intent"} <= set(page.text)
    assert "<b>no model</b>" in page.text and "b" not in {tag for tag, _ in page.tags}
    assert sum(tag == "svg" for tag, _ in page.tags) == 9


def test_a_run_without_a_single_end_has_a_report_too() -> None:
    told = _told(turns=1)
    rows = [Row(0, 0.0, 0.0, None, None, None, None, "error", "gone")]
    empty = Result(told["plan"], rows, took_s=1.0).as_json()
    assert "1 error" in load_report.html(empty)
    assert load_report.html(empty).count("<svg") < 9, "nothing is drawn of which nothing is known"
    assert "none has ended" in load_report.html(Result(told["plan"]).as_json())


def test_a_chart_has_its_highest_point_at_the_top_tick() -> None:
    drawn = svg(Chart("c", "ms", {"a": [(0.0, 0.0), (5.0, 100.0), (10.0, 50.0)]}))
    path = re.findall(r'points="([^"]+)"', drawn)[0]
    assert [float(p.split(",")[1]) for p in path.split()] == [210.0, 14.0, 112.0]
    assert svg(Chart("c", "ms", {})) == ""


def test_many_points_are_drawn_as_the_highest_of_each_group() -> None:
    spike = [(float(n), 100.0 if n == 4321 else 1.0) for n in range(10_000)]
    path = re.findall(r'points="([^"]+)"', svg(Chart("c", "ms", {"a": spike})))[0].split()
    assert len(path) <= 600 and sum(p.endswith(",14.0") for p in path) == 1


def test_two_runs_are_compared_figure_by_figure() -> None:
    a, b = _told(), _told(slower=5.0)
    found = {one["name"]: one for one in load_show.differences(a, b)}
    assert found["first word p50 ms"] == {"name": "first word p50 ms", "a": 5.0, "b": 10.0, "change": 1.0}
    assert found["turns failed"]["change"] == 0.0 and found["turns lost"]["change"] is None
    b["plan"] = {**b["plan"], "speed": 2.0, "file": {**b["plan"]["file"], "sha256": "other"}}
    console = Console(width=120, record=True, file=StringIO())
    console.print(load_show.compare_table(a, b))
    shown = console.export_text()
    assert "not alike: speed 1.0 and 2.0" in shown and "different files" in shown and "+100%" in shown


def test_two_runs_are_drawn_over_each_other_in_one_file_that_asks_nobody_for_anything() -> None:
    a, b = _told(), _told(slower=5.0, turns=200)
    b["stages"]["totals"][0] |= {"provider": "other", "p95_ms": 7.5}
    html = load_compare.html(a, b)
    page = _Page(html)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "b<no"}
    assert "url(" not in html and "http" not in html and "<b>no model" not in html
    lines = re.findall(r'<polyline class="([^"]+)"', html)
    assert lines.count("s0") == lines.count("s1") == 7, "first word, two curves, two stages, throughput, not answered"
    assert lines.count("s0 thin") == lines.count("s1 thin") == 3
    rows = re.findall(r"<tr><td>([^<]*)</td>(.*?)</tr>", html)
    cells = {(name, *re.findall(r"<td>([^<]*)</td>", rest)) for name, rest in rows}
    assert ("first word p50 ms", "5.0", "10.0", "+100%", "") in cells, "what is not alike is not judged"
    assert ("turns answered", "396", "198", "-50%", "") in cells and ("turns", "400", "200", "-50%", "") in cells
    assert ("&lt;b&gt;no model&lt;/b&gt;", "4", "2") in cells
    assert ("llm, first piece", "other", "", "", "1.0", "7.5") in cells
    assert ("llm, first piece", "&lt;x&gt;", "1.0", "2.0", "", "") in cells
    assert "not alike: turns 400 and 200" in page.text


def test_runs_that_are_alike_are_judged_in_words() -> None:
    html = load_compare.html(_told(), _told(slower=5.0))
    assert "<td>first word p50 ms</td><td>5.0</td><td>10.0</td><td>+100%</td><td>worse</td>" in html
    assert "<td>first word p50 ms</td><td>10.0</td><td>5.0</td><td>-50%</td><td>better</td>" in load_compare.html(
        _told(slower=5.0), _told()
    )
    assert "worse" not in load_compare.html(_told(), _told()) and "not alike" not in html


def test_runs_in_which_nothing_ended_are_compared_too() -> None:
    empty = Result(_told()["plan"]).as_json()
    assert "none has ended" in load_compare.html(empty, empty) and "<svg" not in load_compare.html(empty, empty)
