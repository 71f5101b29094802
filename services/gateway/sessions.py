"""The sessions of this gateway: which devices are there, which replies sound, what was heard last."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from google.protobuf.message import Message

from parlance import clock, ids, log, metrics
from parlance.bus import Record
from parlance.errors import Unavailable
from parlance.events import parse, wrap
from parlance.log import logger
from parlance.outgoing import record_of
from parlance.privacy import KeyDestroyed
from parlance.v1.gateway_service_pb2 import ConverseResponse, Resume, Silence
from parlance.v1.reply_pb2 import ReplyEvent, TurnCompleted
from parlance.v1.session_pb2 import ReplyHeard, SessionEvent, TurnAccepted
from parlance.v1.turn_pb2 import MODALITY_SPOKEN, MODALITY_TYPED, MODALITY_UNASKED, Header, Heard
from services.gateway.door import Door
from services.gateway.parts import Parts
from services.gateway.reply import Reply
from services.gateway.resuming import RESUMED_WITHIN_S, Comebacks, keep

if TYPE_CHECKING:
    from services.gateway.device import Device

# (run, session): "" is the live one.
Room = tuple[str, str]
# What is said unasked makes nobody wait.
_ASKED = {MODALITY_SPOKEN: "spoken", MODALITY_TYPED: "typed"}


class Sessions:
    def __init__(self, parts: Parts, group: asyncio.TaskGroup) -> None:
        self.parts, self._group = parts, group
        self.door = Door(parts, self.tell)
        self._devices: dict[Room, dict[str, Device]] = {}
        self._heard: OrderedDict[Room, Heard] = OrderedDict()
        self._silenced: OrderedDict[str, None] = OrderedDict()
        self._comebacks = Comebacks(parts, group)
        # Replies that broke off before their turns had ended.
        self._untold: OrderedDict[str, Reply] = OrderedDict()

    def attach(self, device: "Device") -> None:
        self._devices.setdefault(device.room, {})[device.device_id] = device

    def detach(self, device: "Device") -> None:
        devices = self._devices.get(device.room, {})
        if devices.get(device.device_id) is device:
            del devices[device.device_id]
        if not devices:
            self._devices.pop(device.room, None)
        self._comebacks.left(device)

    def is_over(self, turn_id: str) -> bool:
        """Nothing of it sounds any more."""
        return turn_id in self._silenced

    def resume(self, device: "Device", header: Header, resume: Resume) -> bool:
        """The turn of `header` sounds on at this device, from where it was heard before, here or elsewhere. False, and
        the device is told: nothing of it sounds any more."""
        if self.is_over(header.turn_id):
            device.outbox.put(ConverseResponse(silence=Silence(turn_id=header.turn_id)))
            return False
        reply = self._begin(device, header)
        reply.resume(resume.clauses, resume.ms)

        def deliver(records: list[Record]) -> None:
            for event in self._read(records):
                if event.header.turn_id == header.turn_id and not device.gone:
                    self._take(event)

        self._comebacks.read(header.turn_id, reply, resume, deliver)
        return True

    def last_heard(self, room: Room) -> Heard | None:
        return self._heard.get(room)

    def tell(self, header: Header, body: Message) -> None:
        """A fact of this gateway about the turn (or device) of `header`. Nobody waits for it: where the disk refuses,
        it is written once there is room."""
        event = wrap(SessionEvent, header, body)
        event.header.event_id = fact_id(header, body)
        try:
            self.parts.bus.append([record_of(event, self.parts.sealing.seal)])
        except Unavailable as exc:
            logger.error("gateway: a fact could not be written: %s", exc)

    def accept(self, header: Header, body: TurnAccepted) -> "asyncio.Future[Record]":
        """Publishes that a turn was accepted; the header names this fact from then on, as the cause of what follows."""
        header.event_id = fact_id(header, body)
        written = self.parts.bus.publish(record_of(wrap(SessionEvent, header, body), self.parts.sealing.seal))
        self.door.unwritten.add(written)
        return written

    def deliver(self, records: list[Record]) -> None:
        """reply.v1, in order."""
        for event in self._read(records):
            if not self._comebacks.reads(event.header.turn_id, self.parts.slot):
                self._take(event)

    def _read(self, records: list[Record]) -> Iterator[ReplyEvent]:
        for record in records:
            try:
                yield self.parts.sealing.open(parse(record.topic, record.value))
            except KeyDestroyed:
                continue
            except Exception as exc:
                logger.warning("gateway: a reply could not be read: %s", type(exc).__name__)

    def silence(self, turn_id: str) -> None:
        self.door.admission.answered(turn_id)
        keep(self._silenced, turn_id, None)

    def heard(self, header: Header, reply: Reply | None) -> None:
        """Publishes what was heard of a turn; nothing of it sounds after this."""
        self._tell_heard(
            header, reply.heard() if reply is not None else Heard(turn_id=header.turn_id, heard_at_us=clock.now_us())
        )

    def _tell_heard(self, header: Header, heard: Heard) -> None:
        self.silence(header.turn_id)
        keep(self._heard, _room(header), heard)
        self.tell(header, ReplyHeard(heard=heard))

    def _broke_off(self, header: Header, reply: Reply) -> None:
        """Nobody hears the rest of a turn that is still open; what was heard is told after its end."""
        self.silence(header.turn_id)
        keep(self._untold, header.turn_id, reply)

    def _take(self, event: ReplyEvent) -> None:
        header = event.header
        device = self._device_for(header)
        if device is None or device.mute:
            self.door.admission.answered(header.turn_id)
        if header.turn_id in self._silenced:
            if event.WhichOneof("event") == "completed":
                self._ended_silently(device, header, event.completed)
            return
        if device is None:
            self._take_here(event)
            return
        if event.WhichOneof("event") == "clause" and event.clause.cuts_in:
            self._hush(header)
        reply = device.replies.get(header.turn_id) or self._begin(device, header)
        device.acceptances.written(header.turn_id)
        reply.take(event)

    def _take_here(self, event: ReplyEvent) -> None:
        """What is for no device."""
        kind = event.WhichOneof("event")
        if kind == "completed" and (since_us := self._comebacks.left_at(event.header)):
            self._group.create_task(self._unheard(event.header, since_us))
        elif kind == "completed":
            self.heard(event.header, None)
        elif kind == "roll_call":
            for devices in self._devices.values():
                for device in devices.values():
                    device.announce()

    async def _unheard(self, header: Header, since_us: int) -> None:
        """Its device may come back, here or elsewhere, and hear it: then what was heard is told there."""
        await asyncio.sleep(RESUMED_WITHIN_S)
        if not self.is_over(header.turn_id) and not await self._comebacks.goes_on(header, since_us):
            self.heard(header, None)

    def _ended_silently(self, device: "Device | None", header: Header, completed: TurnCompleted) -> None:
        reply = self._untold.pop(header.turn_id, None)
        if reply is not None:
            self.heard(header, reply)
        if device is not None:
            device.ended_silently(header.turn_id, completed)

    def _hush(self, header: Header) -> None:
        """What nobody asked for cuts in: the session's other replies stop."""
        for other in list(self._devices.get(_room(header), {}).values()):
            other.hush(except_turn=header.turn_id)

    def _begin(self, device: "Device", header: Header) -> Reply:
        reply = device.replies[header.turn_id] = Reply(header.turn_id, device.outbox, self.parts.carrier, device.mute)
        kept = Header()
        kept.CopyFrom(header)
        reply.on_sound = lambda: self._sounds(kept)
        self._group.create_task(self._sound(device, kept, reply))
        return reply

    def _sounds(self, header: Header) -> None:
        self.door.admission.answered(header.turn_id)
        asked = _ASKED.get(header.modality)
        if asked is not None and header.asked_at_us:
            metrics.sounded(asked, (clock.now_us() - header.asked_at_us) / 1e6)

    async def _sound(self, device: "Device", header: Header, reply: Reply) -> None:
        try:
            await reply.run()
            if device.gone and device.resumes and not reply.all_heard:
                await self._held(header, reply)
        except Exception as exc:
            log.failed("gateway: a reply broke off", exc)
        finally:
            await self._comebacks.stop(header.turn_id, reply)
            if header.turn_id not in self._silenced and not (device.gone and device.resumes):
                (self.heard if reply.completed is not None else self._broke_off)(header, reply)
            device.done(header.turn_id)

    async def _held(self, header: Header, reply: Reply) -> None:
        """Its device may come back, here or elsewhere, and hear the rest: then what was heard is told there."""
        heard, since_us = reply.heard(), clock.now_us()
        await asyncio.sleep(RESUMED_WITHIN_S)
        if not self.is_over(header.turn_id) and not await self._comebacks.goes_on(header, since_us):
            self._tell_heard(header, heard)

    def _device_for(self, header: Header) -> "Device | None":
        """The reply sounds where it was asked; what nobody asked for, there or wherever somebody is."""
        devices = self._devices.get(_room(header), {})
        found = devices.get(header.device_id)
        if header.modality != MODALITY_UNASKED or (found is not None and found.stays):
            return found
        return next((d for d in reversed(devices.values()) if d.stays), None)


def fact_id(header: Header, body: Message) -> str:
    """One fact of a kind per turn; what belongs to no turn happens again and again."""
    return ids.event_id(header.run, header.turn_id or ids.new(), body.DESCRIPTOR.name)


def _room(header: Header) -> Room:
    return header.run, header.session_id
