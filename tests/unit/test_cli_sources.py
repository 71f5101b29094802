"""The command line shows the pages that an answer rests on."""

from parlance.cli_talk import Talk
from parlance.v1.gateway_service_pb2 import Clause, GetTurnResponse
from parlance.v1.reply_pb2 import Source


async def test_pages_are_shown_after_their_clause_and_told_as_json() -> None:
    shown: list[tuple[str, str]] = []
    talk = Talk("127.0.0.1:1", lambda who, words: shown.append((who, words)))
    talk.heard.turn_id, talk.told = "t", GetTurnResponse()
    pages = [Source(url="https://a.example/x", title="A"), Source(url="https://b.example/")]
    await talk._on_clause(Clause(turn_id="t", text="It rains.", sources=pages))
    assert shown == [("parlance", "It rains."), ("source", "A  https://a.example/x"), ("source", "https://b.example/")]
    told = talk.as_json()
    assert (told["reply"], told["sources"]) == ("It rains.", ["https://a.example/x", "https://b.example/"])
