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


def expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def asked_for() -> set[str]:
    """The names of our numbers that the dashboard asks for."""
    return set(re.findall(r"\b(?:parlance|process)_\w+", " ".join(expressions())))


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


def test_prometheus_takes_its_file_and_every_expression(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    rules = [
        {"record": f"panel:{n}", "expr": expr.replace("$__rate_interval", "1m")} for n, expr in enumerate(expressions())
    ]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    for check in (("config", "--syntax-only", HERE / "prometheus.yml"), ("rules", tmp_path / "rules.yml")):
        done = subprocess.run([promtool, "check", *check], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
