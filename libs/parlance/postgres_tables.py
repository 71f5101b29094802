"""The tables of rows and outbox, and their SQL.

A row names the transaction that wrote it last (`saved_by`): so a writer whose connection was cut in the middle of a
commit finds out what became of it. For other transactions parlance_writer says the same, one row a writer.
"""

from collections.abc import Sequence
from typing import Any

from parlance.bus import Out
from parlance.journal_schema import pack_headers, unpack_headers

SCHEMA = """
CREATE TABLE IF NOT EXISTS parlance_row(
    stage TEXT NOT NULL, session TEXT NOT NULL, version BIGINT NOT NULL, due_us BIGINT, content BYTEA,
    saved_by BIGINT NOT NULL, PRIMARY KEY(stage, session));
CREATE INDEX IF NOT EXISTS parlance_row_due ON parlance_row(stage, due_us) WHERE due_us IS NOT NULL;
CREATE TABLE IF NOT EXISTS parlance_outbox(
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stage TEXT NOT NULL, session TEXT NOT NULL,
    topic TEXT NOT NULL, part INTEGER NOT NULL, key BYTEA NOT NULL, value BYTEA NOT NULL, headers BYTEA,
    taken TIMESTAMPTZ NOT NULL DEFAULT now(), refused BOOLEAN NOT NULL DEFAULT false);
CREATE INDEX IF NOT EXISTS parlance_outbox_key ON parlance_outbox(key, id);
CREATE TABLE IF NOT EXISTS parlance_writer(writer BIGINT PRIMARY KEY, mark BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL);
DELETE FROM parlance_writer WHERE at < now() - interval '1 day';
"""
LOAD = "SELECT version, content FROM parlance_row WHERE stage = %s AND session = %s"
DUE = "SELECT session FROM parlance_row WHERE stage = %s AND due_us IS NOT NULL ORDER BY due_us"
SAVED_BY = "SELECT saved_by FROM parlance_row WHERE stage = %s AND session = %s"
_INSERT = """INSERT INTO parlance_row(version, due_us, content, saved_by, stage, session)
    VALUES(%s, %s::bigint, %s::bytea, %s::bigint, %s, %s) ON CONFLICT DO NOTHING RETURNING stage, session"""
_UPDATE = """UPDATE parlance_row SET version = %s, due_us = %s::bigint, content = %s::bytea, saved_by = %s::bigint
    WHERE stage = %s AND session = %s AND version = %s RETURNING stage, session"""
# With the row or not at all; numbered in the order of the list.
_TOLD = """INSERT INTO parlance_outbox(stage, session, topic, part, key, value, headers)
    SELECT {row}, topic, part, key, value, headers FROM {source}
    unnest(%s::text[], %s::int[], %s::bytea[], %s::bytea[], %s::bytea[])
    WITH ORDINALITY AS told(topic, part, key, value, headers, n) ORDER BY n RETURNING id"""
_WITH_EVENTS = (
    "WITH saved AS ({change}), told AS ("
    + _TOLD.format(row="saved.stage, saved.session", source="saved,")
    + ") SELECT (SELECT count(*) FROM saved) = 1, ARRAY(SELECT id FROM told ORDER BY id)"
)
_ALONE = "WITH saved AS ({change}) SELECT (SELECT count(*) FROM saved) = 1, ARRAY[]::bigint[]"
STATEMENTS = {
    (new, told): (_WITH_EVENTS if told else _ALONE).format(change=_INSERT if new else _UPDATE)
    for new in (True, False)
    for told in (True, False)
}
APPEND = _TOLD.format(row="'', ''", source="")
FORGET = "DELETE FROM parlance_outbox WHERE id = ANY(%s::bigint[])"
REFUSE = "UPDATE parlance_outbox SET refused = true WHERE id = ANY(%s::bigint[])"
MARK = """INSERT INTO parlance_writer VALUES(%s::bigint, %s::bigint, now())
    ON CONFLICT (writer) DO UPDATE SET mark = EXCLUDED.mark, at = EXCLUDED.at"""
MARKED = "SELECT mark FROM parlance_writer WHERE writer = %s::bigint"
# Another connection of this writer that the server has not given up yet.
END_OTHERS = """SELECT bool_and(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
    WHERE application_name = %s AND pid <> pg_backend_pid()"""

_EVENT = "id, topic, part, key, value, headers"
_OWN = "NOT refused AND topic = ANY(%(topics)s::text[])"
# From the first one of a key on, always: whoever relays later ones alone could bring them before it.
OF_KEYS = f"""SELECT {_EVENT} FROM parlance_outbox WHERE {_OWN} AND key = ANY(%(keys)s::bytea[])
    AND id <> ALL(%(flying)s::bigint[]) ORDER BY id LIMIT %(limit)s"""
OF_ROW = f"""SELECT {_EVENT} FROM parlance_outbox WHERE {_OWN} AND id <> ALL(%(flying)s::bigint[])
    AND (key = %(key)s::bytea OR key IN (SELECT key FROM parlance_outbox WHERE stage = %(stage)s
    AND session = %(session)s)) ORDER BY id LIMIT %(limit)s"""
# Marks as taken all that waits for the keys whose first event has waited for long and is on nobody's way.
TAKE = f"""WITH head AS (
        SELECT id, key FROM parlance_outbox AS first WHERE {_OWN} AND id <> ALL(%(flying)s::bigint[])
        AND taken < now() - %(age_s)s * interval '1 second'
        AND NOT EXISTS (SELECT FROM parlance_outbox AS before WHERE before.key = first.key AND before.id < first.id
            AND NOT before.refused AND before.topic = ANY(%(topics)s::text[]))
        ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    UPDATE parlance_outbox SET taken = now() WHERE {_OWN} AND key IN (SELECT key FROM head) RETURNING key"""


def columns(outs: Sequence[Out]) -> tuple[list[Any], ...]:
    """The events as arrays, for APPEND and the statements of rows."""
    return (
        [out.topic for out in outs],
        [out.partition for out in outs],
        [out.key for out in outs],
        [out.value for out in outs],
        [pack_headers(out.headers) for out in outs],
    )


def event_of(found: Any) -> tuple[int, Out]:
    """(id, event) of a row of the outbox."""
    number, topic, partition, key, value, headers = found
    return number, Out(topic, partition, key, value, unpack_headers(headers))
