"""A broker that takes certificates alone, and what it really lets a certificate do: asked by the requests themselves,
so that each answer is the broker's own and none a client's guess."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from infra.local.certificates import Authority, make
from parlance import tls
from parlance.kafka_address import Address, parse
from parlance.kafka_topics import opened_admin
from tests.kafka_broker import SCRIPT
from tests.ports import free_port

TOPIC_DENIED, GROUP_DENIED = 29, 30
# No such member, or the group has no coordinator yet: what is said after the right to it was found good.
LET_IN = (25, 15, 16)


@contextmanager
def secured(folder: Path) -> Iterator[str]:
    """The url of a broker with TLS and access lists, which is empty; its certificates are in `folder`/tls."""
    if not (shutil.which("java") and shutil.which("mvn")):
        pytest.skip("needs Java and Maven: a Kafka broker whose certificates are made here")
    fetched = subprocess.run([SCRIPT, "jars"], capture_output=True, text=True, check=False, timeout=110)
    if fetched.returncode:
        pytest.skip(fetched.stderr.strip())
    make(Authority(folder / "tls"), hosts={})
    port = free_port()
    more = {"KAFKA_PORT": str(port), "KAFKA_DATA": str(folder / "broker"), "KAFKA_TLS": str(folder / "tls")}
    env = os.environ | more
    done = subprocess.run([SCRIPT, "start"], env=env, capture_output=True, text=True, check=False, timeout=100)
    try:
        assert done.returncode == 0, done.stderr
        yield f"kafka+tls://127.0.0.1:{port}"
    finally:
        subprocess.run([SCRIPT, "forget"], env=env, capture_output=True, check=False, timeout=60)


def address(url: str, folder: Path, name: str) -> Address:
    return parse(url, tls.credentials(folder, name))


async def topic_rights(at: Address, topics: Iterable[str]) -> set[tuple[str, str]]:
    """("session.v1", "read") for each that the broker allows. What is written is one record to partition 0."""
    names = list(topics)
    admin = await opened_admin(at)
    try:
        written = await admin._send_request(ProduceRequest(None, -1, 5000, [(t, [(0, _batch())]) for t in names]))
        wanted = [(t, [(0, 0, 1 << 20)]) for t in names]
        read = await admin._send_request(FetchRequest(0, 0, 1 << 24, 0, wanted))
    finally:
        await admin.close()
    return _allowed("write", written, names) | _allowed("read", read, names)


def _allowed(what: str, answer: Any, asked: list[str]) -> set[tuple[str, str]]:
    codes = {topic: partitions[0][1] for topic, partitions in answer.topics}
    assert sorted(codes) == sorted(asked) and set(codes.values()) <= {0, TOPIC_DENIED}, codes
    return {(topic, what) for topic, code in codes.items() if code == 0}


async def group_rights(at: Address, groups: Iterable[str]) -> set[str]:
    """The groups that this certificate may be a member of."""
    found: set[str] = set()
    admin = await opened_admin(at)
    try:
        for group in groups:
            code = (await admin._send_request(HeartbeatRequest(group, 1, "nobody"))).error_code
            assert code in (GROUP_DENIED, *LET_IN), code
            found |= {group} if code in LET_IN else set()
    finally:
        await admin.close()
    return found


def _batch() -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1000,
    )
    assert builder.append(0, timestamp=1, key=b"k", value=b"v", headers=[]) is not None
    return bytes(builder.build())
