"""The manifests for Kubernetes: valid, hardened, and true to what the services are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from parlance.config import PORTS
from parlance.events import TOPICS
from services.llm.keys import VENDORS

ROOT = Path(__file__).parents[2] / "infra/kubernetes"
VERSIONS = ("1.30", "1.33")
SECURE = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def _documents() -> Iterator[tuple[str, dict[str, Any]]]:
    listed = yaml.safe_load((ROOT / "kustomization.yaml").read_text())["resources"]
    for name in listed:
        for found in yaml.safe_load_all((ROOT / name).read_text()):
            yield f"{name}: {found['kind']} {found['metadata']['name']}", found


DOCUMENTS = dict(_documents())
PATCH = yaml.safe_load((ROOT / "patches/pod.yaml").read_text())


def _of_kind(*kinds: str) -> dict[str, dict[str, Any]]:
    return {d["metadata"]["name"]: d for d in DOCUMENTS.values() if d["kind"] in kinds}


def merged(base: Any, patch: Any) -> Any:
    """A strategic merge as far as the patch needs it: maps by key, lists of named things by name."""
    if isinstance(base, dict) and isinstance(patch, dict):
        return {**base, **{k: merged(base[k], v) if k in base else v for k, v in patch.items()}}
    if isinstance(base, list) and isinstance(patch, list) and all("name" in one for one in base + patch):
        named = {one["name"]: one for one in base}
        for one in patch:
            named[one["name"]] = merged(named[one["name"]], one) if one["name"] in named else one
        return list(named.values())
    return patch


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_document_is_valid(name: str, version: str) -> None:
    kubernetes_validate.validate(DOCUMENTS[name], version, strict=True)


@pytest.mark.parametrize("name", sorted(_of_kind("Deployment", "StatefulSet")))
def test_every_pod_as_patched_is_valid_and_has_no_rights(name: str) -> None:
    document = _of_kind("Deployment", "StatefulSet")[name]
    whole = {**document, "spec": merged(document["spec"], PATCH["spec"])}
    kubernetes_validate.validate(whole, VERSIONS[-1], strict=True)
    pod = whole["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
    (container,) = pod["containers"]
    assert container["securityContext"] == SECURE
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
    secret = {"secretName": f"{name.removesuffix('-app')}-tls", "defaultMode": 0o440}
    assert {"secret": secret, "name": "tls"} in pod["volumes"]
    assert container["resources"]["limits"]["memory"] and ("readinessProbe" in container) == (name in PORTS)


def test_each_service_listens_and_is_found_where_it_says() -> None:
    settings = dict(line.split("=", 1) for line in (ROOT / "settings.env").read_text().split())
    pods = _of_kind("Deployment", "StatefulSet")
    assert pods.keys() == {*PORTS, "ledger-app"}
    for name in PORTS:
        (container,) = pods[name]["spec"]["template"]["spec"]["containers"]
        assert {"name": "PARLANCE_LISTEN", "value": f"0.0.0.0:{PORTS[name]}"} in container["env"]
        assert container["args"] == [name]
    for name, document in _of_kind("Service").items():
        (port,) = document["spec"]["ports"]
        if name not in ("gateway", "gateways"):
            assert settings[f"PARLANCE_{name.upper()}_ADDRESS"] == f"{name}:{port['port']}" == f"{name}:{PORTS[name]}"


def test_nothing_scales_beyond_its_partitions() -> None:
    partitions = min(TOPICS[topic].partitions for topic in ("session.v1", "intent.v1", "reply.v1"))
    scaled = _of_kind("HorizontalPodAutoscaler")
    for name in ("gateway", "intent", "dialogue"):
        assert scaled[name]["spec"]["maxReplicas"] <= partitions
    assert all(_of_kind("PodDisruptionBudget").get(name) for name in scaled)


def test_only_the_services_that_may_reach_outside_can() -> None:
    policies = _of_kind("NetworkPolicy")
    assert policies["nothing-else"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    outside = [
        policy["spec"]["podSelector"]["matchExpressions"][0]["values"]
        for policy in policies.values()
        for rule in policy["spec"].get("egress", [])
        for peer in rule["to"]
        if "ipBlock" in peer
    ]
    assert outside == [["actions", "llm", "speech", "tts"]]


def test_keys_of_vendors_reach_llm_alone() -> None:
    keys = {name for vendor in VENDORS.values() for name in vendor.keys}
    for name, made in _of_kind("Deployment", "StatefulSet", "Job").items():
        containers = made["spec"]["template"]["spec"]["containers"]
        told = {env["name"]: env for container in containers for env in container.get("env", [])}
        assert bool(keys & told.keys()) == (name == "llm")
        for key in keys & told.keys():
            assert told[key]["valueFrom"]["secretKeyRef"] == {"name": "llm-keys", "key": key, "optional": True}
