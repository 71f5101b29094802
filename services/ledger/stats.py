"""What the ledger's rows add up to. Sums and percentiles are queries, in the SQL that SQLite and PostgreSQL share."""

from parlance.egress import leaves
from parlance.v1.gateway_service_pb2 import EgressTotal, GetStatsResponse, StageLatency, TurnCount, UsageTotal
from parlance.v1.reply_pb2 import Outcome, Reason
from parlance.v1.turn_pb2 import Modality
from services.ledger.tables import Query

_MEASURES = {
    "turn": "first audio",
    "speech": "transcript",
    "intent": "intent",
    "dialogue": "first clause",
    "llm": "first piece",
    "tts": "first audio",
    "actions": "done",
    "context": "answer",
}
OF = "run = ? AND day >= ?"

_TURNS = f"""
SELECT day, COALESCE(outcome, 0), COALESCE(reason, 0), COUNT(*) FROM ledger_turn WHERE {OF}
GROUP BY day, COALESCE(outcome, 0), COALESCE(reason, 0)
UNION ALL SELECT day, {Outcome.OUTCOME_REFUSED}, {Reason.REASON_OVERLOADED}, SUM(turns) FROM ledger_refused WHERE {OF}
GROUP BY day ORDER BY 1, 2, 3"""

# What is said unasked waits for its moment: of a turn's whole way it is no measure.
_TOOK = f"""
SELECT 'speech' AS stage, speech_provider AS provider, speech_us AS us FROM ledger_turn WHERE {OF}
UNION ALL SELECT 'intent', intent_provider, intent_us FROM ledger_turn WHERE {OF}
UNION ALL SELECT 'dialogue', clause_provider, clause_us FROM ledger_turn WHERE {OF}
UNION ALL SELECT stage, provider, latency_us FROM ledger_call WHERE {OF}
UNION ALL SELECT 'turn', '', sounded.at_us - asked_at_us FROM ledger_turn JOIN (
    SELECT run AS of_run, turn_id AS of_turn, MIN(began_at_us + latency_us) AS at_us FROM ledger_call
    WHERE stage = 'tts' AND {OF} GROUP BY run, turn_id
) AS sounded ON sounded.of_run = run AND sounded.of_turn = turn_id
WHERE {OF} AND modality <> {Modality.MODALITY_UNASKED}"""
_LATENCIES = f"""
WITH took AS ({_TOOK}), ranked AS (
    SELECT stage, provider, us, ROW_NUMBER() OVER (PARTITION BY stage, provider ORDER BY us) AS n,
        COUNT(*) OVER (PARTITION BY stage, provider) AS total
    FROM took WHERE us IS NOT NULL)
SELECT stage, provider, MAX(total), MIN(CASE WHEN n * 100 >= total * 50 THEN us END),
    MIN(CASE WHEN n * 100 >= total * 95 THEN us END)
FROM ranked GROUP BY stage, provider ORDER BY stage, provider"""

_USAGE = f"""
SELECT stage, provider, COALESCE(estimated, 0) AS counted, COUNT(*), SUM(COALESCE(input_tokens, 0)),
    SUM(COALESCE(output_tokens, 0)), SUM(COALESCE(characters, 0)), SUM(COALESCE(audio_ms, 0))
FROM ledger_call WHERE {OF} AND stage IN ('llm', 'tts') GROUP BY stage, provider, COALESCE(estimated, 0)
UNION ALL SELECT 'speech', speech_provider, 0, COUNT(*), 0, 0, 0, SUM(COALESCE(voiced_ms, 0))
FROM ledger_turn WHERE {OF} AND speech_provider IS NOT NULL GROUP BY speech_provider ORDER BY 1, 2, 3"""

_EGRESS = f"""
SELECT destination, MAX(COALESCE(tier, 0)), COUNT(*), SUM(bytes_sent), SUM(bytes_received) FROM ledger_call
WHERE {OF} AND destination IS NOT NULL GROUP BY destination ORDER BY destination"""


def stats(query: Query, run: str, since: str) -> GetStatsResponse:
    """Of one run, from the day `since` ("2026-11-28") on."""
    of = (run, since)
    made = GetStatsResponse(since=since, run=run)
    for day, outcome, reason, turns in query(_TURNS, of * _TURNS.count(OF)):
        made.turns.append(TurnCount(day=day, outcome=outcome, reason=reason, turns=int(turns)))
    for stage, provider, count, p50, p95 in query(_LATENCIES, of * _LATENCIES.count(OF)):
        measure = _MEASURES.get(stage, "")
        made.latencies.append(
            StageLatency(stage=stage, measure=measure, provider=provider, count=count, p50_us=p50, p95_us=p95)
        )
    for row in query(_USAGE, of * _USAGE.count(OF)):
        made.usage.append(_usage(*row))
    for destination, tier, requests, sent, received in query(_EGRESS, of):
        if leaves(destination, tier):
            sizes = {"bytes_sent": int(sent), "bytes_received": int(received)}
            made.egress.append(EgressTotal(destination=destination, requests=requests, **sizes))
    return made


def _usage(stage: str, provider: str, estimated: int, requests: int, *sums: int) -> UsageTotal:
    name, _, model = provider.partition(":")
    taken, given, characters, audio_ms = map(int, sums)
    return UsageTotal(
        stage=stage,
        provider=name,
        model=model,
        estimated=bool(estimated),
        requests=requests,
        input_tokens=taken,
        output_tokens=given,
        characters=characters,
        audio_ms=audio_ms,
    )
