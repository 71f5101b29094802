"""The manifest against what a broker and a server really do: every name, every topic, every method."""

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from infra.local.certificates import Authority
from parlance import access, cli_access, cli_topics, tls
from parlance.access import Access
from parlance.access_rules import Kind, Operation, Rule
from parlance.bus import Out
from parlance.cli import app
from parlance.errors import InvalidRequest, PermissionDenied, Unavailable
from parlance.events import TOPICS, declared
from parlance.kafka_address import GROUP_PREFIX
from parlance.rpc import Credentials
from tests.contract.bus_suite_tools import Collector, until
from tests.kafka_broker import ROOT
from tests.ports import free_port

pytestmark = pytest.mark.kafka
pytest.importorskip("aiokafka")

from parlance.bus_kafka import KafkaBus  # noqa: E402 - only where its client is installed
from parlance.kafka_access import AccessRules  # noqa: E402
from tests.contract.kafka_rights import address, group_rights, secured, topic_rights  # noqa: E402

MANIFEST = str(access.MANIFEST)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secured")


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    """Of a broker that has the topics and the rights of the manifest."""
    with secured(home) as made:
        done = apply(made, home, "--as", "kafka")
        assert done.exit_code == 0, done.output
        yield made


@pytest.fixture
def folder(home: Path) -> Path:
    return home / "tls"


def apply(url: str, home: Path, *words: str) -> Any:
    line = ["topics", "apply", "--bus", url, "--access", MANIFEST, *words]
    return CliRunner().invoke(app, line, env={"PARLANCE_TLS": str(home / "tls"), "PARLANCE_HOME": str(home)})


def allowed(manifest: Access, name: str) -> set[tuple[str, str]]:
    entry = manifest.entries.get(name, access.Entry())
    return {(t, "read") for t in entry.reads} | {(t, "write") for t in entry.writes}


async def test_the_broker_lets_everybody_do_what_the_manifest_says_and_nothing_else(url: str, folder: Path) -> None:
    manifest = access.load()
    cells, wrong = 0, []
    for name in [*manifest.entries, "postgres"]:
        found = await topic_rights(address(url, folder, name), manifest.topics)
        wrong += [(name, *cell) for cell in found ^ allowed(manifest, name)]
        cells += 2 * len(manifest.topics)
    assert wrong == []
    assert cells == 2 * 13 * (9 + 3 + 1), "nine services, three clients, a stranger, thirteen topics"


async def test_only_its_own_groups_are_open_to_a_service(url: str, folder: Path) -> None:
    manifest = access.load()
    groups = {GROUP_PREFIX + group for e in manifest.entries.values() for group in e.groups} | {"other"}
    for name, entry in manifest.entries.items():
        found = await group_rights(address(url, folder, name), groups)
        assert found == {GROUP_PREFIX + group for group in entry.groups}, name


@pytest.mark.usefixtures("each_client")
async def test_every_service_can_begin_with_its_rights(url: str, folder: Path) -> None:
    for name, entry in access.load().services.items():
        bus = KafkaBus(url, tls=tls.credentials(folder, name))
        bus.declare([info for info in declared() if info.name in entry.topics])
        await bus.start()
        assert bus.failed == "", name
        await bus.stop()
    with pytest.raises(PermissionDenied, match=r"gives postgres no rights: see infra/access\.yaml"):
        await KafkaBus(url, tls=tls.credentials(folder, "postgres")).start()


@pytest.mark.usefixtures("each_client")
def test_services_of_their_own_run_with_certificates(url: str, folder: Path, tmp_path: Path) -> None:
    """Two that have no model to load: one has rows and asks others, one only reads."""
    made = {}
    for name in ("dialogue", "ledger"):
        env = {"PARLANCE_BUS": url, "PARLANCE_TLS": str(folder), "PARLANCE_HOME": str(tmp_path / name)}
        env |= {"PARLANCE_LISTEN": f"127.0.0.1:{free_port()}", "PYTHONPATH": os.pathsep.join(sys.path)}
        made[name] = subprocess.Popen(
            [sys.executable, "-m", f"services.{name}"],
            **{"env": os.environ | env, "cwd": ROOT, "text": True},
            **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT},
        )
    try:
        for name, process in made.items():
            assert process.stdout is not None
            told: list[str] = []
            while not any(f"{name} is ready" in line for line in told):
                told.append(process.stdout.readline())
                assert told[-1], told
    finally:
        for process in made.values():
            process.terminate()
            process.communicate(timeout=30)


@pytest.mark.usefixtures("each_client")
async def test_a_service_works_with_its_rights_and_is_told_where_they_end(url: str, folder: Path) -> None:
    bus = KafkaBus(url, tls=tls.credentials(folder, "dialogue"))
    bus.declare([TOPICS["intent.v1"], TOPICS["reply.v1"]])
    await bus.start()
    got = Collector()
    sub = bus.subscribe("dialogue", ["intent.v1"], got)
    await sub.caught_up()
    intent = KafkaBus(url, tls=tls.credentials(folder, "intent"))
    intent.declare([TOPICS["intent.v1"]])
    await intent.start()
    await intent.publish(Out("intent.v1", 0, b"k", said := uuid.uuid4().bytes))
    await until(lambda: got.values[-1:] == [said])
    await intent.stop()
    assert (await bus.publish(Out("reply.v1", 0, b"k", b"v"))).offset >= 0
    with pytest.raises(Unavailable, match=r"intent\.v1 \(TopicAuthorizationFailedError\)"):
        await bus.publish(Out("intent.v1", 0, b"k", b"v"))
    bus.subscribe("intent", ["intent.v1"], got)
    await until(lambda: "GroupAuthorizationFailedError" in bus.failed)
    await bus.stop()
    bus = KafkaBus(url, tls=tls.credentials(folder, "tts"))
    bus.declare([TOPICS["reply.v1"]])
    with pytest.raises(Unavailable, match=r"no topic reply\.v1.*or infra/access\.yaml gives tts no right to it"):
        await bus.start()


def test_rights_of_a_rehearsal_come_and_go_with_the_mark(url: str, folder: Path, home: Path) -> None:
    marked = access.load(rehearsal=True)

    def rights() -> set[tuple[str, str]]:
        return asyncio.run(topic_rights(address(url, folder, "rehearsal"), marked.topics))

    assert apply(url, home, "--rehearsal").exit_code == 0
    assert rights() == allowed(marked, "rehearsal")
    done = apply(url, home)
    assert isinstance(done.exception, Unavailable) and "--change" in done.exception.message
    assert "! rehearsal" in done.output
    assert rights() == allowed(marked, "rehearsal")
    done = apply(url, home, "--change")
    assert done.exit_code == 0 and "- rehearsal" in done.output
    assert rights() == set()


async def test_what_others_have_on_a_shared_cluster_is_left_alone(url: str, folder: Path) -> None:
    theirs = Rule("User:CN=them", Kind.TOPIC, "theirs", Operation.READ)
    hole = Rule("User:CN=them", Kind.TOPIC, "s", Operation.READ, pattern=4)
    shown = tls.credentials(folder, "operator")
    async with AccessRules(address(url, folder, "kafka")) as cluster:
        await cluster.grant([theirs, hole])
        lines, problem = await cli_access.apply(url, access.load(), create=True, change=True, shown=shown)
        assert not problem and ("taken away", "them", "read topic: s*") in lines
        found = await cluster.found()
        assert theirs in found and hole not in found
        await cluster.revoke([theirs])


async def test_who_may_not_say_who_may_what_is_told_so(url: str, folder: Path) -> None:
    shown = tls.credentials(folder, "gateway")
    with pytest.raises(PermissionDenied, match="'gateway' may not change who may what"):
        await cli_access.apply(url, access.load(), create=True, change=False, shown=shown)
    lines, _ = await cli_topics._apply(url, create=False, change=False, shown=shown)
    assert ("missing", "dialogue.dead.v1") in {(state, topic) for state, topic, _ in lines}


async def test_a_wrong_certificate_is_named_with_its_file(url: str, folder: Path, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    other.issue("llm")
    old = Authority(folder)
    old.issue("old", days=-1)
    theirs = tls.credentials(tmp_path / "other", "llm")
    ours = tls.credentials(folder, "llm")
    tried = {
        theirs: rf"certificate that {theirs.ca} \(PARLANCE_TLS\) does not vouch for",
        Credentials(ours.ca, theirs.cert, theirs.key): rf"refuses {theirs.cert} \(PARLANCE_TLS\)",
        Credentials(ours.ca, folder / "old.crt", folder / "old.key"): r"refuses .*old\.crt \(PARLANCE_TLS\)",
    }
    for shown, told in tried.items():
        with pytest.raises(Unavailable, match=told):
            await KafkaBus(url, tls=shown).start()
    with pytest.raises(Unavailable, match=r"takes certificates: write kafka\+tls://.*PARLANCE_TLS"):
        await KafkaBus(url.replace("kafka+tls", "kafka")).start()
    with pytest.raises(InvalidRequest, match="set PARLANCE_TLS"):
        KafkaBus(url)


def test_a_service_with_a_wrong_certificate_does_not_wait(url: str, tmp_path: Path) -> None:
    """Waiting would not mend it."""
    Authority(tmp_path).issue("tts")
    env = {**os.environ, "PARLANCE_BUS": url, "PARLANCE_TLS": str(tmp_path), "PARLANCE_HOME": str(tmp_path / "home")}
    env["PYTHONPATH"] = os.pathsep.join(sys.path)
    command = [sys.executable, "-m", "services.tts"]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 1 and "(PARLANCE_TLS) does not vouch for" in done.stderr, done.stderr
    assert "tried again" not in done.stderr and "Traceback" not in done.stderr
