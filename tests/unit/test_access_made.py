"""What is made of the manifest of who may touch what: Kafka's rules, and the networks of compose."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from parlance import access
from parlance.access_networks import EDGE, EMULATED, INTERNAL, OUTSIDE, connections, networks
from parlance.access_rules import Kind, Operation, Pattern, Rule, ours, rules

MANIFEST = access.load(rehearsal=True)
ROOT = Path(__file__).parents[2]
COMPOSE, POLICIES = ROOT / "docker-compose.yml", ROOT / "infra/kubernetes/network.yaml"


def test_rules_are_those_rights_and_no_more() -> None:
    made = rules(MANIFEST)
    assert {r for r in made if r.who == "speech"} == {
        Rule("User:CN=speech", Kind.TOPIC, "speech.v1", Operation.WRITE),
        Rule("User:CN=speech", Kind.TOPIC, "control.v1", Operation.READ),
    }
    assert Rule("User:CN=intent", Kind.GROUP, "parlance.intent", Operation.READ) in made
    assert {r.who for r in made if r.operation in (Operation.CREATE, Operation.ALTER)} == {"operator"}
    assert {r.who for r in made if r.operation == Operation.IDEMPOTENT_WRITE} == {"ledger"}, "it only reads"
    assert {(r.pattern, r.permission, r.host) for r in made} == {(Pattern.LITERAL, 3, "*")}
    assert not {r for r in made if r.who == "device"}


@pytest.mark.parametrize(
    ("rule", "so"),
    [
        (Rule("User:CN=tts", Kind.TOPIC, "theirs", Operation.READ), True),
        (Rule("User:them", Kind.TOPIC, "reply.v1", Operation.READ), True),
        (Rule("User:them", Kind.TOPIC, "*", Operation.READ), True),
        (Rule("User:them", Kind.TOPIC, "rep", Operation.READ, Pattern.PREFIXED), True),
        (Rule("User:them", Kind.GROUP, "par", Operation.READ, Pattern.PREFIXED), True),
        (Rule("User:them", Kind.TOPIC, "rep", Operation.READ), False),
        (Rule("User:them", Kind.TOPIC, "theirs", Operation.READ, Pattern.PREFIXED), False),
        (Rule("User:them", Kind.GROUP, "theirs", Operation.READ), False),
    ],
)
def test_only_what_concerns_us_on_a_cluster_is_judged(rule: Rule, so: bool) -> None:
    assert ours(MANIFEST, rule) is so


def test_networks_let_nobody_out_but_those_with_providers_and_in_but_the_gateway() -> None:
    found = networks(MANIFEST)
    assert all(INTERNAL in on for on in found.values())
    assert {name for name, on in found.items() if OUTSIDE in on} == {"llm", "speech", "tts", "actions"}
    assert {name for name, on in found.items() if EDGE in on} == {"gateway"}
    assert {name for name, on in found.items() if EMULATED in on} == {"llm"}
    to = connections(MANIFEST)
    assert {f for f, t in to if t == "actions"} == {"dialogue"}
    assert {f for f, t in to if t == "llm"} == {"dialogue", "gateway"}
    assert {f for f, t in to if t == "postgres"} == {"dialogue", "actions", "context", "ledger"}
    assert {f for f, t in to if t == "kafka"} == {*MANIFEST.services, "operator", "rehearsal"}
    assert not {t for _, t in to if t in ("dialogue", "intent")}, "they serve health alone"


def composed(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(services, networks) of a compose file and of those that it includes. A network said again adds to it."""
    said = yaml.safe_load(path.read_text())
    services, networks = dict(said.get("services") or {}), dict(said.get("networks") or {})
    for included in said.get("include", ()):
        more, again = composed(path.parent / included)
        services |= more
        networks |= {name: (networks.get(name) or {}) | (network or {}) for name, network in again.items()}
    return services, networks


@pytest.mark.skipif(not COMPOSE.exists(), reason="there is no docker-compose.yml yet")
def test_compose_puts_everybody_on_the_networks_of_the_manifest() -> None:
    services, nets = composed(COMPOSE)
    on = {name: frozenset(service.get("networks") or ()) for name, service in services.items()}
    wanted = networks(MANIFEST)
    assert {name: on.get(name) for name in wanted} == wanted
    assert not {name for name, found in on.items() if OUTSIDE in found and name not in wanted}, "nobody else gets out"
    emulators = {name: found for name, found in on.items() if EMULATED in found and name not in wanted}
    assert emulators == {"model-emulator": {EMULATED}}, "an emulator meets nobody but who asks it"
    inside = {name for name, network in nets.items() if (network or {}).get("internal")}
    assert {INTERNAL, EMULATED} <= inside and not inside & {EDGE, OUTSIDE}


def pods(selector: dict[str, Any]) -> set[str]:
    """The services that a selector names."""
    name = (selector.get("matchLabels") or {}).get("app.kubernetes.io/name")
    listed = [v for e in selector.get("matchExpressions", ()) for v in e["values"]]
    return {*listed, *([name] if name else [])}


def said_by(policies: list[dict[str, Any]], way: str, peers: str) -> set[tuple[str, str]]:
    """(service, peer) of each pair that the policies let talk, in the way "ingress" or "egress"."""
    return {
        (own, peer)
        for policy in policies
        for rule in policy["spec"].get(way, ())
        for other in rule.get(peers, ())
        for own in pods(policy["spec"]["podSelector"])
        for peer in pods(other.get("podSelector") or {})
    }


@pytest.mark.skipif(not POLICIES.exists(), reason="there are no network policies yet")
def test_network_policies_let_the_services_talk_that_ask_each_other_and_no_others() -> None:
    policies = list(yaml.safe_load_all(POLICIES.read_text()))
    inside = {(f, t) for f, t in connections(MANIFEST) if {f, t} <= MANIFEST.services.keys()}
    assert said_by(policies, "egress", "to") == inside
    assert {(f, t) for t, f in said_by(policies, "ingress", "from")} == inside
    named = {policy["metadata"]["name"]: pods(policy["spec"]["podSelector"]) for policy in policies}
    # The ledger is two processes: one answers, one reads.
    assert named["database"] - {"ledger-app"} == {f for f, t in connections(MANIFEST) if t == "postgres"}
    assert named["outside"] == {name for name, entry in MANIFEST.services.items() if entry.outside}
    assert named["devices"] == {name for name, entry in MANIFEST.services.items() if entry.edge}
