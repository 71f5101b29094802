"""Where ends stop keeping up, and what the ledger tells of the stages."""

from parlance.load_job import Row
from parlance.load_saturation import open_turns, saturation
from parlance.load_stages import slice_us, stages
from parlance.v1.gateway_service_pb2 import GetStatsResponse, StageLatency, StageSlice


def _rows(capacity: float, *rates: float, seconds: int = 10) -> list[Row]:
    """Each rate for so many seconds; one turn after the other is answered, `capacity` a second."""
    rows, free = [], 0.0
    for part, rate in enumerate(rates):
        for n in range(int(rate * seconds)):
            due = (part * seconds + n / rate) * 1000
            free = max(free, due) + 1000 / capacity
            rows.append(Row(len(rows), due, due, due, due, free, free, "answered", ""))
    return rows


def test_the_saturation_point_is_where_more_is_offered_than_ends() -> None:
    found = saturation(_rows(50, 10, 40, 80, 80))
    assert found is not None
    assert 19.0 <= found["at_s"] <= 22.0 and abs(found["offered_per_s"] - 80) < 3
    assert abs(found["achieved_per_s"] - 50) < 2


def test_a_run_that_keeps_up_has_none_and_neither_has_one_that_falls_behind_for_a_moment() -> None:
    assert saturation(_rows(50, 10, 40, 45)) is None
    rows = _rows(50, 40)
    late = [r._replace(ended=r.due + 1500) if 3000 <= r.due < 4500 else r for r in rows]
    assert saturation(late) is None and saturation([]) is None


def test_what_was_refused_does_not_keep_up() -> None:
    rows = [r._replace(outcome="refused" if r.n % 2 else "answered") for r in _rows(1000, 10, 80)]
    assert saturation(rows) is not None


def test_open_turns_are_those_that_are_due_and_have_not_ended() -> None:
    rows = [Row(0, 0, 0, 0, 0, 2500, 2500, "answered", ""), Row(1, 1000, 1000, 1000, 1000, None, None, "lost", "")]
    rows.append(Row(2, 0, 0, 0, None, None, 10, "refused", "at the door"))
    assert open_turns(rows, 1.0) == [(0.0, 1.0), (1.0, 2.0), (2.0, 1.0)]


def test_stages_stand_where_they_were_in_the_run_also_after_it_was_resumed() -> None:
    second = 1_000_000
    began = [[100.0 * second, 0.0], [500.0 * second, 20.0]]
    told = GetStatsResponse(
        latencies=[StageLatency(stage="llm", measure="first piece", provider="x:y", count=3, p50_us=1500, p95_us=9000)],
        slices=[
            StageSlice(stage="llm", at_us=at * second, count=1, p50_us=1000, p95_us=2000) for at in (99, 101, 119, 503)
        ],
    )
    found = stages(told, began)
    assert found["over_time"] == {"llm": [[at, 1.0, 2.0] for at in (0.0, 1.0, 19.0, 23.0)]}
    assert found["totals"][0] == {
        **{"stage": "llm", "until": "first piece", "provider": "x:y", "count": 3},
        **{"p50_ms": 1.5, "p95_ms": 9.0},
    }
    assert (slice_us(10.0), slice_us(3600.0)) == (second, 60 * second)
