"""The manifest of who may touch what: it agrees with the protos, the code asks for no more, and a wrong one is told."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from parlance import access, events, history, routes
from parlance.errors import InvalidRequest, PermissionDenied
from parlance.events import EVENT_CLASSES, dead_topic, declared, topic_of
from services.dialogue import dialogue
from services.intent import wiring
from services.ledger import projections, projector

ROOT = Path(__file__).parents[2]
MANIFEST = access.load(rehearsal=True)
CLASSES = {cls.DESCRIPTOR.name: topic_of(cls).name for cls in EVENT_CLASSES}


def writers(topic: str) -> set[str]:
    return {name for name, entry in MANIFEST.entries.items() if topic in entry.writes}


def test_every_topic_of_the_bus_map_is_written_by_its_producer_alone() -> None:
    lines = re.findall(
        r"^(\S+\.v1) .* written by (\S+?)(?:,.*)?$", (ROOT / "tests/golden/bus_map.txt").read_text(), re.M
    )
    golden = dict(lines)
    assert golden.pop("*.dead.v1") == "*" and len(golden) == len(EVENT_CLASSES)
    for topic, producer in golden.items():
        wanted = {"gateway", "operator"} if producer == "operators" else {producer}
        beside = {"rehearsal"} if topic in ("session.v1", "speech.v1") else set()
        assert writers(topic) == wanted | beside, topic
    for stage in events.STAGES:
        assert writers(dead_topic(stage).name) == {stage}
    assert MANIFEST.topics == {info.name for info in declared()}, "what is applied is what somebody may touch"


def test_elsewhere_a_rehearsal_may_do_nothing() -> None:
    assert access.load().clients["rehearsal"] == access.Entry()
    assert {name for name, e in MANIFEST.entries.items() if e.only_in_rehearsal} == {"rehearsal"}


# --- what the code does


def trees(*folders: str) -> Iterator[ast.Module]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield ast.parse(path.read_text())


def words(tree: ast.AST) -> set[str]:
    return {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def methods_asked(service: str) -> set[str]:
    """As text ("Tts.Speak"), and what a handler asks: turn.ask.llm.Answer."""
    found: set[str] = set()
    for tree in trees(f"services/{service}"):
        found |= words(tree) & access.methods()
        for node in ast.walk(tree):
            match node:
                case ast.Attribute(attr=method, value=ast.Attribute(attr=asked, value=ast.Attribute(attr="ask"))):
                    found.add(f"{asked.capitalize()}.{method}")
    own = MANIFEST.services[service].serves
    return {method for method in found if method.partition(".")[0] != own}


@pytest.mark.parametrize("service", sorted(MANIFEST.services))
def test_a_service_may_call_what_its_code_asks_and_nothing_else(service: str) -> None:
    assert methods_asked(service) == MANIFEST.services[service].calls


@pytest.mark.parametrize("service", sorted(MANIFEST.services))
def test_a_service_may_touch_the_topics_whose_events_its_code_names(service: str) -> None:
    entry = MANIFEST.services[service]
    named: set[str] = set()
    for tree in trees(f"services/{service}"):
        imported = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("parlance.v1")
            for alias in node.names
        }
        named |= {CLASSES[name] for name in imported & CLASSES.keys()} | (words(tree) & MANIFEST.topics)
    assert named <= entry.reads | entry.writes


def test_everybody_may_read_what_their_code_reads_and_nothing_else() -> None:
    routed = {stage: {routes.CONTROL} for stage in routes.DEFAULTS}
    staged = {stage: {routes.CONTROL, dead_topic(stage).name} for stage in events.STAGES}
    subscribed = {"intent": wiring.TOPICS, "dialogue": dialogue.TOPICS, "ledger": projections.READ}
    # What was answered before a restart.
    recalled = {"llm": {"llm.v1", "consent.v1"}, "context": {"context.v1"}}
    told = {"gateway": {*history._TOPICS, routes.CONTROL}}
    for name, entry in MANIFEST.services.items():
        needs = [found.get(name, ()) for found in (routed, staged, subscribed, recalled, told)]
        assert entry.reads == {topic for topics in needs for topic in topics}, name
    letters = {dead_topic(stage).name for stage in events.STAGES}
    assert MANIFEST.clients["operator"].reads == {*history._TOPICS, routes.CONTROL, *letters}


def test_a_group_is_its_services_own() -> None:
    groups = {group: name for name, entry in MANIFEST.services.items() for group in entry.groups}
    beside = {projector.GROUP: "ledger", "ledger-faust": "ledger"}
    assert groups == {stage: stage for stage in events.STAGES} | beside


def test_who_has_rows_has_a_database_of_its_own() -> None:
    def keeps_rows(service: str) -> bool:
        modules = {n.module for t in trees(f"services/{service}") for n in ast.walk(t) if isinstance(n, ast.ImportFrom)}
        return not modules.isdisjoint({"parlance.store", f"services.{service}.store"})

    assert {n: n for n in MANIFEST.services if keeps_rows(n)} == {
        name: entry.database for name, entry in MANIFEST.services.items() if entry.database
    }


def test_only_dialogue_may_act_and_settle() -> None:
    acting = {"Actions.Run", "Actions.Settle"}
    assert {name for name, entry in MANIFEST.entries.items() if entry.calls & acting} == {"dialogue"}


# --- a wrong manifest


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        ("services.tts.writes", ["reply.v1"], r"tts: reply\.v1 is written by dialogue alone"),
        ("services.tts.writes", ["control.v1"], r"tts: control\.v1 is written by gateway and operator alone"),
        ("services.tts.writes", ["intent.dead.v1"], r"tts: intent\.dead\.v1 is written by intent alone"),
        ("clients.device.writes", ["session.v1"], r"device: session\.v1 is written by gateway and rehearsal alone"),
        ("services.tts.reads", ["spoken.v1"], r"tts: no message of the protos declares the topic spoken\.v1"),
        ("services.tts.reads", "voice.v1", r"services\.tts\.reads: is a list of names, not 'voice\.v1'"),
        ("services.tts.reads", ["voice.v1", ["voice.v1"]], r"services\.tts\.reads: names voice\.v1 twice"),
        ("services.tts.calls", ["Llm.Ask"], r"tts: there is no gRPC method Llm\.Ask; there are Actions\.Run"),
        ("services.tts.serves", "Voice", "tts: serves one of Actions.* not Voice"),
        ("services.intent.outside", True, "intent: only actions, llm, speech, tts may reach outside"),
        ("services.intent.emulated", True, "intent: emulated is for those that may reach outside"),
        ("services.tts.outside", "yes", r"services\.tts\.outside: is true or false, not 'yes'"),
        ("services.tts.topics", [], r"services\.tts: has no 'topics'; it has calls, database"),
        ("clients.device.database", "x", r"clients\.device: has no 'database'"),
        ("services.tts", None, r"services\.tts: is a table"),
        ("services.Tts", {}, r"services\.Tts: a name is lower-case"),
        ("clients.tts", {}, "tts: either a service or a client"),
        ("services", [], "services is a table of names"),
        ("users", {}, "its keys are operators, services and clients"),
    ],
)
def test_what_makes_no_sense_is_told_with_its_place(tmp_path: Path, place: str, value: Any, told: str) -> None:
    said = at = yaml.safe_load(access.MANIFEST.read_text())
    *way, last = place.split(".")
    for step in way:
        at = at[step]
    at[last] = value
    path = tmp_path / "access.yaml"
    path.write_text(yaml.safe_dump(said))
    with pytest.raises(InvalidRequest, match=f"{path}: {told}"):
        access.load(path)


@pytest.mark.parametrize(("text", "told"), [("a: [", "is no YAML"), ("[]", "its keys are"), ("", "its keys are")])
def test_what_is_no_manifest_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "access.yaml"
    path.write_text(text)
    with pytest.raises(InvalidRequest, match=told):
        access.load(path)
    with pytest.raises(InvalidRequest, match="cannot be read"):
        access.load(tmp_path / "absent.yaml")


def test_without_its_package_the_manifest_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(InvalidRequest, match=r"without PyYAML; type: pip install 'parlance-voice\[stack\]'"):
        access.load()


def test_a_refusal_says_who_and_what() -> None:
    MANIFEST.check_call("dialogue", "Llm.Answer")
    with pytest.raises(PermissionDenied, match=r"'intent' may not call Llm\.Answer"):
        MANIFEST.check_call("intent", "Llm.Answer")
    with pytest.raises(PermissionDenied, match="'', whom the manifest does not name"):
        MANIFEST.check_call("", "Llm.Answer")
