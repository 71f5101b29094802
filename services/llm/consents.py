"""What users said when asked whether a vendor may see their questions: kept on consent.v1, one record per user that
says all of it, and read from there by every process of llm."""

import asyncio

from parlance import ids
from parlance.bus import Bus, Record, Subscription, topic_name
from parlance.errors import InvalidRequest, Unavailable
from parlance.events import parse, wrap
from parlance.log import logger
from parlance.outgoing import Seal, record_of
from parlance.v1.consent_pb2 import ConsentEvent, ConsentsSet
from parlance.v1.turn_pb2 import Consent, Header

TOPIC = topic_name(ConsentEvent)
_KEPT = (Consent.CONSENT_ALWAYS, Consent.CONSENT_NEVER)


class Consents:
    """Of all users; `start` first."""

    def __init__(self, bus: Bus, seal: Seal) -> None:
        self._bus, self._seal = bus, seal
        self._said: dict[str, dict[str, Consent.ValueType]] = {}
        self._subscription: Subscription | None = None
        # One at a time: each record says what those before it said too.
        self._writing = asyncio.Lock()

    async def start(self) -> None:
        """Returns when all that was said so far is known."""
        self._subscription = self._bus.subscribe(None, [TOPIC], self._deliver, from_us=0)
        await self._subscription.caught_up()

    async def stop(self) -> None:
        if self._subscription is not None:
            await self._subscription.stop()

    def of(self, user: str, vendor: str) -> Consent.ValueType:
        """ALWAYS, NEVER, or UNSPECIFIED where the user is to be asked."""
        return self._said.get(user, {}).get(vendor, Consent.CONSENT_UNSPECIFIED)

    def all_of(self, user: str) -> dict[str, Consent.ValueType]:
        """By vendor: ALWAYS or NEVER."""
        return dict(self._said.get(user, {}))

    async def remember(self, cause: Header, vendor: str, consent: Consent.ValueType) -> None:
        """What the user of `cause` said, durable and known when it returns; UNSPECIFIED: that he is to be asked again.

        "Once" is kept by nobody, and so is whatever is said in a run that is not live. Raises InvalidRequest where it
        is not said of whom or by whom, Unavailable where it cannot be written."""
        if not cause.user_id or not vendor:
            raise InvalidRequest("a consent is a user's and says which vendor's")
        if cause.run or consent == Consent.CONSENT_ONCE:
            return
        if self._subscription is None:
            raise Unavailable("consents are not read yet")
        async with self._writing:
            # Other processes of llm write them too.
            await self._subscription.caught_up()
            said = {**self._said.get(cause.user_id, {}), vendor: consent}
            kept = {name: given for name, given in said.items() if given in _KEPT}
            if kept != self._said.get(cause.user_id, {}):
                await self._bus.publish(record_of(_event(cause, vendor, kept), self._seal))
                await self._subscription.caught_up()

    def _deliver(self, records: list[Record]) -> None:
        for record in records:
            try:
                event = parse(record.topic, record.value)
            except Exception:
                logger.warning("a record of what may be sent where could not be read; it is skipped")
                continue
            if event.WhichOneof("event") == "consents":
                self._said[event.header.user_id] = dict(event.consents.by_vendor)


def _event(cause: Header, vendor: str, by_vendor: dict[str, Consent.ValueType]) -> ConsentEvent:
    body = ConsentsSet(by_vendor=by_vendor)
    event: ConsentEvent = wrap(ConsentEvent, cause, body)
    event.header.causation_id = cause.event_id
    event.header.event_id = ids.event_id(cause.run, f"{cause.event_id}/{vendor}", body.DESCRIPTOR.name)
    return event
