"""Context over the real journal and store: imports are kept sealed, answers are given once per call id."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from parlance import ids
from parlance.bus_journal import JournalBus
from parlance.errors import DeadlineExceeded, Internal, InvalidRequest, Refused, Unauthenticated
from parlance.events import TOPICS, parse, topic_of
from parlance.outgoing import record_of
from parlance.privacy import Keys, Sealing
from parlance.rpc import Call, one
from parlance.store_sqlite import SqliteStore
from parlance.v1.context_pb2 import ContextEvent
from parlance.v1.context_service_pb2 import ContextImportRequest, LookupRequest, LookupResponse
from parlance.v1.gateway_service_pb2 import ImportRequest, ImportResponse
from parlance.v1.intent_pb2 import Slot
from parlance.v1.turn_pb2 import End, Header
from services.context.service import ContextService

TOPIC = topic_of(ContextEvent)
CONTACTS, CALENDAR = Path("examples/contacts.vcf").read_bytes(), Path("examples/calendar.ics").read_bytes()
NOW_US = int(datetime(2026, 11, 24, 14, 5, tzinfo=ZoneInfo("Europe/London")).timestamp() * 1e6)
NUMBER = "Anna Kowalska's mobile number is 020 7946 0123, from your contacts."


class Home:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.sealing = Sealing(Keys(path / "keys.json"))
        self.published: list[Any] = []

    async def open(self) -> None:
        self.bus = JournalBus(self.path / "journal.db")
        self.bus.declare(list(TOPICS.values()))
        self.store = SqliteStore(self.bus)
        await self.bus.start()
        self.service = ContextService(self.store, self.sealing, self._publish)
        await self.service.start()

    def _publish(self, event: Any) -> None:
        self.published.append(event)
        self.bus.append([record_of(event, self.sealing.seal)], lazy=True)

    async def load(self, kind: str, content: bytes, header: Header | None = None) -> ImportResponse:
        asked: dict[str, Any] = {"import": ImportRequest(kind=kind, content=content)}
        reply = await one(
            self.service.import_(ContextImportRequest(**asked), Call("", header or Header(user_id="anna")))
        )
        return reply.imported

    async def ask(self, query: str, text: str, call: Call | None = None, **slots: str) -> LookupResponse:
        return await one(self.service.lookup(_request(query, text, **slots), call or _call()))

    async def events(self) -> list[Any]:
        records = [r for p in range(TOPIC.partitions) for r in await self.bus.read(TOPIC.name, p, 0)]
        return [self.sealing.open(parse(TOPIC.name, r.value)) for r in records]


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    made = Home(tmp_path)
    await made.open()
    yield made
    await made.bus.stop()


def _header(**fields: Any) -> Header:
    known: dict[str, Any] = {"event_id": "cause-1", "turn_id": "turn-1", "session_id": "session-1", "user_id": "anna"}
    return Header(**{**known, **fields})


def _call(call_id: str = "", header: Header | None = None, seconds: float = 30.0) -> Call:
    return Call(call_id or ids.new(), header or _header(), asyncio.get_running_loop().time() + seconds)


def _request(query: str, text: str, **slots: str) -> LookupRequest:
    made = [Slot(name=name, value=value) for name, value in slots.items()]
    return LookupRequest(query=query, text=text, slots=made, now_us=NOW_US, time_zone="Europe/London")


async def test_annas_number_is_told_with_its_source_however_the_name_was_heard(home: Home) -> None:
    await home.load("contacts", CONTACTS)
    for heard in ("what is Anna's number", "What is N is number?", "What is Andy's member?"):
        found = await home.ask("contacts.phone", heard)
        assert (found.found, found.say, found.source) == (True, NUMBER, "your contacts")
    assert (await home.ask("contacts.phone", "whose number", name="N is")).say == NUMBER
    assert found.card.title == "Anna Kowalska" and "mobile: 020 7946 0123" in found.card.lines


async def test_a_stranger_is_not_found(home: Home) -> None:
    await home.load("contacts", CONTACTS)
    found = await home.ask("contacts.phone", "what is Zebediah's number")
    assert not found.found and found.say == "I did not find Zebediah in your contacts."


async def test_two_of_one_name_are_asked_about(home: Home) -> None:
    await home.load("contacts", CONTACTS)
    await home.load("contacts", b"BEGIN:VCARD\nVERSION:3.0\nFN:Anna Smith\nTEL:020\nEND:VCARD\n")
    found = await home.ask("contacts.phone", "what is Anna's number")
    assert not found.found and "Anna Kowalska or Anna Smith?" in found.say
    assert (await home.ask("contacts.phone", "what is Anna Kowalska's number")).say == NUMBER


async def test_the_next_meeting_is_told_in_the_users_time_zone(home: Home) -> None:
    await home.load("calendar", CALENDAR)
    said = "Your next meeting is Design review at 3 PM today, from your calendar."
    assert (await home.ask("calendar.next", "when is my next meeting")).say == said
    assert "Ben's birthday all day" in (await home.ask("calendar.day", "what is on today")).say


async def test_without_an_import_the_command_is_named(home: Home) -> None:
    assert "parlance import contacts" in (await home.ask("contacts.phone", "what is Anna's number")).say
    assert "parlance import calendar" in (await home.ask("calendar.next", "when is my next meeting")).say


async def test_importing_again_changes_nothing_and_a_change_is_an_update(home: Home) -> None:
    first, again = await home.load("contacts", CONTACTS), await home.load("contacts", CONTACTS)
    assert (first.added, first.updated, first.skipped) == (5, 0, 0)
    assert (again.added, again.updated, again.skipped) == (0, 0, 0)
    moved = await home.load("contacts", CONTACTS.replace(b"020 7946 0123", b"020 7946 0999"))
    assert (moved.added, moved.updated) == (0, 1)
    assert "0999" in (await home.ask("contacts.phone", "what is Anna's number")).say
    counted = [(e.imported.kind, e.imported.added, e.imported.updated) for e in await home.events()]
    assert counted == [("contacts", 5, 0), ("contacts", 0, 0), ("contacts", 0, 1)]


async def test_what_was_imported_survives_a_restart(home: Home) -> None:
    await home.load("contacts", CONTACTS)
    await home.bus.stop()
    await home.open()
    assert (await home.ask("contacts.phone", "what is Anna's number")).say == NUMBER


async def test_what_was_skipped_is_told_and_a_wrong_file_is_refused(home: Home) -> None:
    report = await home.load("contacts", CONTACTS + b"BEGIN:VCARD\nTEL:1\nEND:VCARD\n")
    assert (report.added, report.skipped) == (5, 1) and "names nobody" in report.problems[0]
    for kind, expected in {"contacts": r"\.vcf", "calendar": r"\.ics", "photos": "'contacts'"}.items():
        with pytest.raises(InvalidRequest, match=expected):
            await home.load(kind, b"no such thing")


async def test_an_answer_is_published_once_and_given_again(home: Home) -> None:
    await home.load("contacts", CONTACTS)
    request, call = _request("contacts.phone", "what is Anna's number"), _call("call-1")
    answers = await asyncio.gather(*(one(home.service.lookup(request, call)) for _ in range(4)))
    await home.load("contacts", CONTACTS.replace(b"0123", b"0999"))
    late = Call("call-1", call.header, asyncio.get_running_loop().time() - 1)
    answers.append(await one(home.service.lookup(request, late)))
    assert all(answer.say == NUMBER for answer in answers)
    (event,) = home.published
    answer = event.answered.answer
    assert (answer.call_id, answer.method, answer.end) == ("call-1", "Context.Lookup", End.END_COMPLETE)
    assert LookupResponse.FromString(answer.chunks[0]) == answers[0]
    assert event.header.causation_id == "cause-1" and event.header.event_id == ids.event_id(
        "", "call-1", "ContextAnswered"
    )


async def test_an_answer_is_made_by_the_next_where_the_first_asker_left(home: Home) -> None:
    await home.load("contacts", CONTACTS)
    request, call = _request("contacts.phone", "what is Anna's number"), _call("call-1")
    first = asyncio.ensure_future(one(home.service.lookup(request, call)))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(one(home.service.lookup(request, call)))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).say == NUMBER and len(home.published) == 1


async def test_another_question_under_the_same_call_id_is_an_error(home: Home) -> None:
    await home.ask("contacts.phone", "what is Anna's number", _call("call-1"))
    with pytest.raises(Internal):
        await home.ask("contacts.email", "what is Anna's email", _call("call-1"))


async def test_an_answer_of_the_log_is_given_again_after_a_restart(home: Home) -> None:
    await home.load("contacts", CONTACTS)
    request, call = _request("contacts.phone", "what is Anna's number"), _call("call-1")
    await one(home.service.lookup(request, call))
    await home.bus.stop()
    await home.open()
    for event in await home.events():
        home.service.recall(event, call.deadline)
    await home.load("contacts", CONTACTS.replace(b"0123", b"0999"))
    assert (await one(home.service.lookup(request, call))).say == NUMBER
    assert len(home.published) == 1


async def test_who_names_no_user_may_not_ask(home: Home) -> None:
    with pytest.raises(Unauthenticated):
        await home.ask("contacts.phone", "what is Anna's number", _call(header=_header(user_id="")))


async def test_a_run_that_is_not_live_reads_what_is_known_and_teaches_nothing(home: Home) -> None:
    await home.load("contacts", CONTACTS)
    in_run = _header(run="run-1")
    assert (await home.ask("contacts.phone", "what is Anna's number", _call("call-1", in_run))).say == NUMBER
    assert [e.header.run for e in home.published] == ["run-1"]
    with pytest.raises(Refused, match="learns nothing"):
        await home.load("contacts", CONTACTS.replace(b"0123", b"0999"), in_run)
    assert (await home.ask("contacts.phone", "what is Anna's number")).say == NUMBER


async def test_nothing_begins_after_the_deadline_and_an_unknown_query_is_told(home: Home) -> None:
    with pytest.raises(DeadlineExceeded):
        await home.ask("contacts.phone", "what is Anna's number", _call(seconds=-1))
    with pytest.raises(InvalidRequest, match="known: contacts"):
        await home.ask("stars.next", "")


async def test_users_do_not_see_each_others_things(home: Home) -> None:
    await home.load("contacts", CONTACTS)
    other = await home.ask("contacts.phone", "what is Anna's number", _call(header=_header(user_id="ben")))
    assert not other.found and "do not know your contacts yet" in other.say


async def test_contacts_and_answers_stand_nowhere_in_the_clear(home: Home) -> None:
    await home.load("contacts", CONTACTS)
    await home.load("calendar", CALENDAR)
    await home.ask("contacts.phone", "what is Anna's number")
    await home.bus.flush()
    raw = b"".join(file.read_bytes() for file in home.path.glob("journal.db*"))
    assert not any(word in raw for word in (b"Kowalska", b"020 7946", b"Design review"))


async def test_a_destroyed_key_leaves_nothing_to_answer_with(home: Home) -> None:
    await home.load("contacts", CONTACTS)
    home.sealing._keys.destroy("anna")
    assert "do not know your contacts yet" in (await home.ask("contacts.phone", "what is Anna's number")).say
