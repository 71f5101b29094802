"""One order per key between what goes to the database and what goes to Kafka."""

from parlance.relay_lines import Entry, Lines


class Scene:
    """Appends and saves in line, and what began so far. `room`: whether Kafka takes appends."""

    def __init__(self) -> None:
        self.lines = Lines()
        self.began: list[str] = []
        self.room = True

    def append(self, name: str, key: bytes = b"a") -> None:
        def begin() -> bool:
            if self.room:
                self.began.append(name)
                self.lines.flew(key)
            return self.room

        self.lines.put(Entry((key,), begin, save=False))

    def save(self, name: str, *keys: bytes) -> Entry:
        def begin() -> bool:
            self.began.append(name)
            return True

        entry = Entry(keys or (b"a",), begin, save=True)
        self.lines.put(entry)
        return entry


def test_a_save_waits_until_the_appends_before_it_are_acknowledged() -> None:
    scene = Scene()
    scene.append("1")
    scene.append("2")
    scene.save("S")
    scene.lines.landed(b"a")
    assert scene.began == ["1", "2"]
    scene.lines.landed(b"a")
    assert scene.began == ["1", "2", "S"]


def test_saves_follow_each_other_without_waiting_and_an_append_waits_for_all_of_them() -> None:
    scene = Scene()
    saves = [scene.save("S1"), scene.save("S2")]
    scene.append("1")
    scene.save("S3")
    assert scene.began == ["S1", "S2"]
    scene.lines.done(saves[0])
    assert scene.began == ["S1", "S2"]
    scene.lines.done(saves[1])
    assert scene.began == ["S1", "S2", "1"]
    scene.lines.landed(b"a")
    assert scene.began == ["S1", "S2", "1", "S3"]


def test_nobody_elses_key_waits() -> None:
    scene = Scene()
    scene.append("a1")
    scene.save("aS")
    scene.append("b1", b"b")
    scene.save("cS", b"c")
    assert scene.began == ["a1", "b1", "cS"] and not scene.lines.open(b"a") and scene.lines.open(b"b")


def test_a_save_with_events_of_two_keys_stands_in_both_lines() -> None:
    scene = Scene()
    scene.append("b1", b"b")
    both = scene.save("S", b"a", b"b")
    behind = scene.save("S2", b"a")
    assert scene.began == ["b1"]
    scene.lines.landed(b"b")
    assert scene.began == ["b1", "S", "S2"]
    scene.append("a1", b"a")
    scene.lines.done(both)
    scene.lines.done(behind)
    assert scene.began == ["b1", "S", "S2", "a1"]


def test_nothing_overtakes_events_that_are_parked_but_saves_go_on() -> None:
    scene = Scene()
    saved = scene.save("S1")
    scene.lines.park(b"a")
    scene.lines.done(saved)
    second = scene.save("S2")
    scene.append("1")
    scene.lines.done(second)
    assert scene.began == ["S1", "S2"]
    scene.lines.unpark(b"a")
    assert scene.began == ["S1", "S2", "1"]


def test_an_append_that_kafka_has_no_room_for_keeps_its_place() -> None:
    scene = Scene()
    saved = scene.save("S1")
    scene.append("1")
    scene.append("2")
    scene.room = False
    scene.lines.done(saved)
    scene.room = True
    scene.lines.advance([b"a"])
    assert scene.began == ["S1", "1", "2"] and scene.lines.waiting == 0


def test_a_line_without_anything_in_it_is_forgotten() -> None:
    scene = Scene()
    scene.append("1")
    scene.lines.done(scene.save("S", b"b", b"c"))
    scene.lines.landed(b"a")
    assert scene.lines._lines == {}
