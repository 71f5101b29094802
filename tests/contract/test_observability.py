"""The dashboards' files fit together: who is scraped, where spans go, what the panels ask for. Nothing is started."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from parlance.config import PORTS

HERE = Path(__file__).parents[2] / "infra/observability"
DASHBOARD: dict[str, Any] = json.loads((HERE / "dashboards/parlance.json").read_text())


def load(name: str) -> Any:
    return yaml.safe_load((HERE / name).read_text())


STACK = yaml.safe_load((HERE.parents[1] / "docker-compose.yml").read_text())
CONTAINERS = load("compose.yml")["services"]


ALERTS: list[dict[str, Any]] = load("alerts.yml")["groups"][0]["rules"]
# Of the collector of the image, seen there: its own reader adds no "_total".
FROM_COLLECTOR = {
    "otelcol_receiver_accepted_spans",
    "otelcol_exporter_sent_spans",
    "otelcol_exporter_send_failed_spans",
    "otelcol_exporter_queue_size",
}


def expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def asked_for(prefixes: str = "parlance|process") -> set[str]:
    """The names of our numbers that the dashboard and the alerts ask for."""
    told = " ".join([*expressions(), *(rule["expr"] for rule in ALERTS)])
    return set(re.findall(rf"\b(?:{prefixes})_\w+", told))


def test_every_service_is_scraped_where_it_listens() -> None:
    (ours,) = [job for job in load("prometheus.yml")["scrape_configs"] if job["job_name"] == "parlance"]
    told = {name: made.get("environment", {}).get("PARLANCE_METRICS") for name, made in STACK["services"].items()}
    at = {f"{name}:{told[name].rpartition(':')[2]}" for name in told if told[name]}
    assert set(ours["static_configs"][0]["targets"]) == at and len(at) > len(PORTS)


def test_prometheus_also_watches_the_collector_which_nothing_else_can_ask() -> None:
    (job,) = [job for job in load("prometheus.yml")["scrape_configs"] if job["job_name"] == "collector"]
    exporter = load("collector.yml")["service"]["telemetry"]["metrics"]["readers"][0]["pull"]["exporter"]["prometheus"]
    assert job["static_configs"][0]["targets"] == [f"collector:{exporter['port']}"]


def test_spans_go_from_ledger_to_the_collector_to_jaeger_to_grafana() -> None:
    collector, jaeger = load("collector.yml"), load("jaeger.yml")
    assert collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"] == "0.0.0.0:4318"
    assert collector["exporters"]["otlp_grpc"]["endpoint"] == "jaeger:4317"
    assert jaeger["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"] == "0.0.0.0:4317"
    page = jaeger["extensions"]["jaeger_query"]["http"]["endpoint"].rpartition(":")[2]
    sources = {s["uid"]: s["url"] for s in load("grafana-datasources.yml")["datasources"]}
    assert sources == {"prometheus": "http://prometheus:9090", "jaeger": f"http://jaeger:{page}"}


@pytest.mark.parametrize("name", ["collector.yml", "jaeger.yml"])
def test_a_pipeline_names_only_parts_that_are_there(name: str) -> None:
    config = load(name)
    for pipeline in config["service"]["pipelines"].values():
        for kind, parts in pipeline.items():
            assert set(parts) <= set(config[kind])
    assert set(config["service"].get("extensions", [])) <= set(config.get("extensions", {}))


def test_files_are_mounted_where_they_are_looked_for() -> None:
    for name in ("collector", "jaeger", "prometheus"):
        wanted = re.search(r"--config(?:\.file)?=(\S+)", " ".join(CONTAINERS[name]["command"]))
        assert wanted is not None
        assert any(mount.split(":")[1] == wanted[1] for mount in CONTAINERS[name]["volumes"])
    shown = load("grafana-dashboards.yml")["providers"][0]["options"]["path"]
    assert f"./dashboards:{shown}:ro" in CONTAINERS["grafana"]["volumes"]
    for name, made in CONTAINERS.items():
        for mount in made["volumes"]:
            source = mount.split(":")[0]
            assert not source.startswith("./") or (HERE / source).exists(), f"{name}: {source}"


def test_the_alerts_are_mounted_where_prometheus_looks_for_them() -> None:
    (file,) = load("prometheus.yml")["rule_files"]
    assert f"./{file}:/etc/prometheus/{file}:ro" in CONTAINERS["prometheus"]["volumes"]


def test_the_collector_is_asked_for_numbers_that_it_has() -> None:
    assert asked_for("otelcol") == FROM_COLLECTOR


def test_a_number_is_what_it_is_now_and_red_when_it_is_bad() -> None:
    """What was last seen half an hour ago is no number of now, and Grafana's own thresholds turn red at 80 of all."""
    for panel in DASHBOARD["panels"]:
        if panel["type"] == "stat":
            assert all(target["instant"] for target in panel["targets"]), panel["title"]
            steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
            assert steps[0]["value"] is None, panel["title"]


def test_panels_have_places_of_their_own_and_known_sources() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
        assert {t["datasource"]["uid"] for t in panel["targets"]} == {"prometheus"}
    assert len({p["id"] for p in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def promtool(*words: str | Path) -> None:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    done = subprocess.run([found, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_its_file_and_the_alerts() -> None:
    promtool("check", "config", HERE / "prometheus.yml")


def test_prometheus_takes_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{n}", "expr": expr.replace("$__rate_interval", "1m")} for n, expr in enumerate(expressions())
    ]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", tmp_path / "rules.yml")


def test_alerts_fire_when_they_should_and_not_when_they_should_not() -> None:
    cases = Path(__file__).with_name("alerts.yml")
    tried = {one["alertname"] for case in yaml.safe_load(cases.read_text())["tests"] for one in case["alert_rule_test"]}
    assert tried == {rule["alert"] for rule in ALERTS}
    promtool("test", "rules", cases)
