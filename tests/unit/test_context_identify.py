"""Who of a user's contacts is named in texts is told to that user's turn alone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parlance.errors import Unauthenticated
from parlance.rpc import Call, one
from parlance.v1.context_service_pb2 import IdentifyRequest
from parlance.v1.turn_pb2 import Header
from tests.unit.test_context_service import CONTACTS, Home


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    made = Home(tmp_path)
    await made.open()
    yield made
    await made.bus.stop()


async def named(home: Home, *texts: str, user: str = "anna") -> list[tuple[str, str]]:
    call = Call("", Header(user_id=user))
    found = (await one(home.service.identify(IdentifyRequest(texts=texts), call))).identifiers
    return [(identifier.kind, identifier.text) for identifier in found]


async def test_contacts_are_found_from_their_import_on_and_only_ones_own(home: Home) -> None:
    text = "What would Anna Kowalska say?"
    assert await named(home, text) == []
    await home.load("contacts", CONTACTS)
    assert ("person", "Anna Kowalska") in await named(home, text)
    assert await named(home, text, user="bob") == []
    assert await named(home, "What would nobody say?") == []


async def test_what_was_asked_is_published_nowhere(home: Home) -> None:
    await home.load("contacts", CONTACTS)
    await named(home, "Anna Kowalska")
    assert home.published == []


async def test_contacts_belong_to_a_user(home: Home) -> None:
    with pytest.raises(Unauthenticated):
        await named(home, "Anna", user="")
