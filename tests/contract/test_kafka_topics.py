"""`parlance topics apply` on a broker of its own name space: what is missing is made, what differs is only shown."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from parlance import access, cli_access, cli_topics, kafka_address
from parlance.cli import app
from parlance.errors import InvalidRequest, Unavailable
from parlance.events import TopicInfo
from tests.contract.kafka_tools import create, fresh
from tests.ports import free_port

pytestmark = pytest.mark.kafka
pytest.importorskip("aiokafka")

from parlance.kafka_topics import Difference, Topics, settings_of  # noqa: E402 - only where its client is installed


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> tuple[TopicInfo, ...]:
    """Instead of the protos' topics, for the broker is shared."""
    plain, compacted = fresh(1)[0], fresh(1)[0]
    made = (replace(plain, retention_ms=86_400_000), replace(compacted, compacted=True, partitions=1))
    monkeypatch.setattr(cli_topics, "declared", lambda: sorted(made, key=lambda info: info.name))
    return made


async def settings(url: str, topic: str) -> dict[str, str]:
    async with Topics(kafka_address.parse(url)) as cluster:
        return (await cluster._settings([topic]))[topic]


async def apply(url: str, *words: str) -> tuple[dict[str, tuple[str, str]], str]:
    lines, problem = await cli_topics._apply(url, create="--dry-run" not in words, change="--change" in words)
    return {topic: (state, told) for state, topic, told in lines}, problem


async def test_what_is_missing_is_made_as_the_options_say(kafka_url: str, declared: tuple[TopicInfo, ...]) -> None:
    plain, compacted = declared
    lines, problem = await apply(kafka_url, "--dry-run")
    assert {state for state, _ in lines.values()} == {"missing"} and not problem
    lines, problem = await apply(kafka_url)
    assert lines[plain.name] == ("made", "4 partitions, kept 1 days, synced") and not problem
    assert lines[compacted.name] == ("made", "1 partitions, kept for ever, compacted, synced")
    for info in declared:
        found = await settings(kafka_url, info.name)
        assert settings_of(info).items() <= found.items()
    found = await settings(kafka_url, compacted.name)
    assert (found["cleanup.policy"], found["retention.ms"], found["flush.messages"]) == ("compact", "-1", "1")
    lines, problem = await apply(kafka_url)
    assert {state for state, _ in lines.values()} == {"same"} and not problem


async def test_what_differs_is_shown_and_changed_only_when_asked(
    kafka_url: str, declared: tuple[TopicInfo, ...]
) -> None:
    topic = declared[0].name
    await apply(kafka_url)
    async with Topics(kafka_address.parse(kafka_url)) as cluster:
        other = {"retention.ms": ("", "5000"), "max.message.bytes": ("", "70000")}
        await cluster.change([Difference(topic, other)])
    lines, problem = await apply(kafka_url)
    assert lines[topic] == ("different", "retention.ms: 5000 -> 86400000") and "--change" in problem
    assert (await settings(kafka_url, topic))["retention.ms"] == "5000"
    lines, problem = await apply(kafka_url, "--change")
    assert lines[topic][0] == "changed" and not problem
    found = await settings(kafka_url, topic)
    assert found["retention.ms"] == "86400000" and found["max.message.bytes"] == "70000", "what is not ours stays"


async def test_other_partitions_are_an_error_and_nothing_is_done(
    kafka_url: str, declared: tuple[TopicInfo, ...]
) -> None:
    plain, compacted = declared
    await create(kafka_url, replace(plain, partitions=6))
    lines, problem = await apply(kafka_url, "--change")
    assert lines[plain.name] == ("uneven", "has 6 partitions, 4 are declared")
    assert lines[compacted.name][0] == "missing" and "nothing was done" in problem


def test_the_command_shows_a_line_a_topic_and_says_what_is_wrong(
    kafka_url: str, declared: tuple[TopicInfo, ...]
) -> None:
    run = CliRunner()
    done = run.invoke(app, ["topics", "apply", "--bus", kafka_url])
    assert done.exit_code == 0 and done.stdout.count("+ t0-") == 2
    done = run.invoke(app, ["topics", "apply", "--bus", kafka_url, "--json"])
    assert [line["state"] for line in json.loads(done.stdout)] == ["same", "same"]
    done = run.invoke(app, ["topics", "apply", "--bus", f"kafka://127.0.0.1:{free_port()}"])
    assert isinstance(done.exception, Unavailable) and "no Kafka broker answers" in done.exception.message
    done = run.invoke(app, ["topics", "apply", "--bus", "kafka:/x"])
    assert isinstance(done.exception, InvalidRequest)
    done = run.invoke(app, ["topics", "apply"], env={"PARLANCE_BUS": ""})
    assert isinstance(done.exception, InvalidRequest) and "--bus kafka://" in done.exception.message


async def test_a_broker_without_access_lists_says_so(kafka_url: str) -> None:
    with pytest.raises(Unavailable, match=r"has no access lists: set its authorizer\.class\.name"):
        await cli_access.apply(kafka_url, access.load(), create=True, change=False, shown=None)
