"""The pages that a clause rests on reach the device with it."""

from parlance.rpc_direct import DirectCarrier
from parlance.v1.reply_pb2 import ReplyClause, ReplyEvent, Source, TurnCompleted
from parlance.v1.turn_pb2 import Header
from services.gateway.outbox import Outbox
from services.gateway.reply import Reply


async def test_pages_are_shown_with_their_clause() -> None:
    outbox, page = Outbox(), Source(url="https://a.example/x", title="A")
    reply = Reply("t", outbox, DirectCarrier({}), mute=True)
    reply.take(
        ReplyEvent(header=Header(turn_id="t", event_id="e0"), clause=ReplyClause(text="It rains.", sources=[page]))
    )
    reply.take(ReplyEvent(header=Header(turn_id="t", event_id="e1"), completed=TurnCompleted()))
    await reply.run()
    outbox.close()
    shown = [m.clause async for m in outbox.drain() if m.HasField("clause")]
    assert [(c.text, list(c.sources)) for c in shown] == [("It rains.", [page])]
