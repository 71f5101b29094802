"""Bytes put by: read as they were put, and their memory given back."""

import random

from parlance.shelf import Segment, Shelf

Place = tuple[Segment, int]


def read(place: Place) -> bytes:
    segment, n = place
    return segment.read(n)


def test_pieces_are_read_as_they_were_put_whatever_goes_between() -> None:
    shelf, chance = Shelf(1000), random.Random(5)
    held: list[tuple[Place, bytes]] = []
    for _ in range(5000):
        if held and chance.random() < 0.5:
            place, piece = held.pop(chance.randrange(len(held)))
            assert read(place) == piece
            shelf.take_away(place[0])
        piece = chance.randbytes(chance.choice((0, 1, 50, 400, 3000)))
        held.append((shelf.put(piece), piece))
    assert held and all(read(place) == piece for place, piece in held)


def test_a_segment_goes_with_its_last_piece() -> None:
    shelf = Shelf(100)
    first, second = shelf.put(b"a" * 40), shelf.put(b"b" * 40)
    third = shelf.put(b"c" * 40)
    assert first[0] is second[0] is not third[0]
    shelf.take_away(first[0])
    assert not first[0].memory.closed and read(second) == b"b" * 40
    shelf.take_away(second[0])
    assert first[0].memory.closed


def test_the_one_that_is_filled_is_filled_again() -> None:
    shelf = Shelf(100)
    for n in range(50):
        place = shelf.put(bytes([n]) * 60)
        shelf.take_away(place[0])
    assert shelf.put(b"")[0] is place[0] and not place[0].memory.closed


def test_a_piece_larger_than_a_segment_has_one_of_its_own() -> None:
    shelf = Shelf(100)
    empty = shelf.put(b"")
    shelf.take_away(empty[0])
    large = shelf.put(b"x" * 500)
    assert empty[0].memory.closed and read(large) == b"x" * 500
