"""The event that tells how a call stands."""

from parlance import ids
from parlance.events import wrap
from parlance.v1.effect_pb2 import EffectEvent, EffectRecorded
from parlance.v1.turn_pb2 import Header
from services.actions.tables import CallRow


def effect_event(row: CallRow) -> EffectEvent:
    """Its id derives from the call and its settlement: "begun" and "done" of one call are two events."""
    header = Header()
    header.CopyFrom(row.header)
    name = EffectRecorded.DESCRIPTOR.name
    header.event_id = ids.event_id(row.header.run, row.call_id, name, int(row.settlement))
    header.causation_id = row.header.event_id
    body = EffectRecorded(
        call_id=row.call_id,
        action=row.action,
        request_digest=row.digest,
        settlement=row.settlement,
        response=row.response,
        began_at_us=row.began_us,
    )
    event: EffectEvent = wrap(EffectEvent, header, body)
    return event
