"""Offsets: what may be committed when sessions end out of order."""

from parlance.offsets import Offsets


def _begun(*offsets: int) -> Offsets:
    made = Offsets()
    for offset in offsets:
        made.began("t", 0, offset)
    return made


def test_what_ends_in_order_is_committed_one_by_one() -> None:
    offsets = _begun(3, 4)
    assert [offsets.ended("t", 0, 3), offsets.ended("t", 0, 4)] == [4, 5]


def test_nothing_is_committed_past_what_still_runs() -> None:
    offsets = _begun(0, 1, 2)
    assert [offsets.ended("t", 0, 2), offsets.ended("t", 0, 1), offsets.ended("t", 0, 0)] == [None, None, 3]


def test_gaps_between_offsets_hold_nothing_up() -> None:
    offsets = _begun(0, 5, 9)
    assert [offsets.ended("t", 0, 5), offsets.ended("t", 0, 0), offsets.ended("t", 0, 9)] == [None, 6, 10]


def test_partitions_do_not_wait_for_each_other() -> None:
    offsets = _begun(0)
    offsets.began("t", 1, 0)
    assert offsets.ended("t", 1, 0) == 1


def test_what_began_under_an_older_ownership_counts_no_more() -> None:
    offsets = _begun(0, 1)
    offsets.began("t", 0, 0, ownership=1)
    offsets.began("t", 0, 1, ownership=1)
    assert [offsets.ended("t", 0, 0), offsets.ended("t", 0, 1)] == [None, None]
    assert offsets.ended("t", 0, 0, ownership=1) == 1
