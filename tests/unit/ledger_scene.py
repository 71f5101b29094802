"""A log for the ledger: whole turns with everything that the services tell of them, as sealed records."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parlance import ids
from parlance.bus import Record
from parlance.events import to_bytes, wrap
from parlance.outgoing import record_of
from parlance.privacy import Keys, Sealing
from parlance.v1.context_pb2 import ContextAnswered, ContextEvent
from parlance.v1.effect_pb2 import EffectEvent, EffectRecorded
from parlance.v1.intent_pb2 import IntentEvent, IntentRecognized, Slot
from parlance.v1.llm_pb2 import Attempt, EgressRecorded, LlmAnswered, LlmEvent, UsageRecorded
from parlance.v1.reply_pb2 import Outcome, Reason, ReplyClause, ReplyEvent, Settlement, TurnCompleted
from parlance.v1.session_pb2 import ReplyHeard, SessionEvent, TurnAccepted
from parlance.v1.speech_pb2 import FinalTranscript, SpeechEvent
from parlance.v1.turn_pb2 import AnswerRecorded, End, ErrorCode, Header, Modality, Tier
from parlance.v1.voice_pb2 import ClauseSpoken, VoiceEvent

SECOND = 1_000_000
# 2027-01-15 08:00 in UTC.
NOON = 1_800_000_000 * SECOND
SECRET = "confidential"


@dataclass
class Log:
    """Records with the offsets and times that a journal would give them, a millisecond apart."""

    sealing: Sealing
    records: list[Record] = field(default_factory=list)
    now_us: int = NOON
    _ends: dict[tuple[str, int], int] = field(default_factory=dict)

    @classmethod
    def at(cls, folder: Path) -> "Log":
        return cls(Sealing(Keys(folder / "keys.json")))

    def tell(self, cls: type[Any], header: Header, body: Any, *, took_us: int = 1000) -> Record:
        """Appends the event; work on it began `took_us` before."""
        self.now_us += 1000
        event = wrap(cls, header, body)
        event.header.event_id = ids.event_id(header.run, header.turn_id, str(to_bytes(body)))
        out = record_of(event, self.sealing.seal, self.now_us - took_us)
        at = out.topic, out.partition
        offset = self._ends[at] = self._ends.get(at, -1) + 1
        self.records.append(Record(out.topic, out.partition, offset, self.now_us, out.key, out.value, out.headers))
        return self.records[-1]

    def turn(  # noqa: PLR0913 - what makes turns differ
        self,
        n: int,
        *,
        run: str = "",
        outcome: Outcome.ValueType = Outcome.OUTCOME_ANSWERED,
        reason: Reason.ValueType = Reason.REASON_UNSPECIFIED,
        spoken: bool = False,
        zone: str = "UTC",
    ) -> Header:
        """A turn that asks everybody, and what is told of it after its end."""
        header = self.header(n, run, zone, spoken)
        self.tell(SessionEvent, header, TurnAccepted(text=f"{SECRET} question"))
        header.asked_at_us = self.now_us if spoken else header.accepted_at_us
        if spoken:
            heard = FinalTranscript(text=f"{SECRET} words", provider="whisper:tiny.en", voiced_ms=900 + n)
            self.tell(SpeechEvent, header, heard)
        slots = [Slot(name="name", value=SECRET)]
        self.tell(IntentEvent, header, IntentRecognized(intent="chat", text=SECRET, slots=slots, provider="patterns"))
        self._asked(header, n)
        for seq in range(2):
            clause = ReplyClause(seq=seq, text=f"{SECRET} {seq}.", provider="compatible:small")
            self.tell(ReplyEvent, header, clause, took_us=3000 + seq)
            self._spoken(header, n, seq)
        self.tell(ReplyEvent, header, TurnCompleted(outcome=outcome, reason=reason, say=SECRET))
        self.tell(SessionEvent, header, ReplyHeard())
        return header

    def header(self, n: int, run: str = "", zone: str = "UTC", spoken: bool = False) -> Header:
        made = Header(run=run, turn_id=f"turn-{run}{n}", session_id=f"session-{n % 3}", user_id="anna", time_zone=zone)
        made.accepted_at_us = self.now_us
        made.modality = Modality.MODALITY_SPOKEN if spoken else Modality.MODALITY_TYPED
        return made

    def _asked(self, header: Header, n: int) -> None:
        began, call_id = self.now_us, f"call-{header.run}{n}"
        answer = AnswerRecorded(call_id=f"{call_id}l", chunks=[SECRET.encode()])
        self.tell(ContextEvent, header, ContextAnswered(answer=answer, call_id=f"{call_id}c", took_us=700 + n))
        done = Settlement.SETTLEMENT_DONE
        act = EffectRecorded(call_id=f"{call_id}a", action="timer.set", settlement=done, began_at_us=began)
        act.response = SECRET.encode()
        self.tell(EffectEvent, header, act)
        for attempt in range(2):
            usage = UsageRecorded(
                call_id=f"{call_id}l", attempt=attempt, provider="compatible:small", estimated=not n % 2
            )
            usage.input_tokens, usage.output_tokens, usage.began_at_us, usage.first_us = 10 + n, 5, began, 40_000 + n
            usage.cost_nanos, usage.cache_read_tokens, usage.reasoning_tokens = 1_000_000 + n, 4, 2
            usage.rule, usage.tier, usage.route_version = "chat", Tier.TIER_PARTNER, "v3"
            usage.why = Attempt.ATTEMPT_FAILOVER if attempt else Attempt.ATTEMPT_FIRST
            usage.end = End.END_COMPLETE if attempt else End.END_FAILED
            usage.error = ErrorCode.ERROR_CODE_UNSPECIFIED if attempt else ErrorCode.ERROR_CODE_RATE_LIMITED
            self.tell(LlmEvent, header, usage)
            sent = EgressRecorded(call_id=f"{call_id}l", attempt=attempt, destination="api.example.org", bytes_sent=100)
            sent.provider, sent.rule, sent.tier, sent.route_version = "compatible:small", "chat", usage.tier, "v3"
            sent.data_classes.extend(["question", "conversation"])
            sent.policy_version, sent.region, sent.retention_days, sent.cut = "sha256:abc", "eu", 30, not attempt
            self.tell(LlmEvent, header, sent)
        self.tell(LlmEvent, header, LlmAnswered(answer=answer))

    def _spoken(self, header: Header, n: int, seq: int) -> None:
        fact = ClauseSpoken(call_id=f"call-{header.run}{n}v{seq}", provider="hibari:", characters=20, audio_ms=1500)
        fact.began_at_us, fact.first_audio_us = self.now_us, 30_000 + seq
        self.tell(VoiceEvent, header, fact)


def by_topic(records: Iterable[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.topic, []).append(record)
    return found


def again(record: Record, later_us: int) -> Record:
    """The same event, written once more by who was handling it when it was killed: quicker, and later."""
    began = (("began_us", b"%d" % (record.ts_us + later_us - 1)),)
    return Record(
        record.topic, record.partition, record.offset, record.ts_us + later_us, record.key, record.value, began
    )
