"""What every container of the stack is held to. Python alone: the files are read, nothing is started."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.docker.packages import OWN, wanted
from infra.emulators import settings
from infra.emulators.settings import KINDS, Settings
from parlance.config import PORTS
from parlance.process import DRAIN_S
from parlance.v1.control_pb2 import LlmTarget
from services.llm import catalogue
from services.llm.keys import VENDORS

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "infra/docker/Dockerfile").read_text()
PERSONA = ("dialogue", "${PARLANCE_PERSONA:-/dev/null}:/persona.txt:ro")


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())
    return loaded


STACK = load(ROOT / "docker-compose.yml")
INCLUDED = {Path(name): load(ROOT / name) for name in STACK["include"]}
FILES = [STACK, *INCLUDED.values()]
CONTAINERS: dict[str, dict[str, Any]] = {name: made for file in FILES for name, made in file["services"].items()}
VOLUMES = {name for file in FILES for name in file["volumes"]}
NETWORKS = [(name, made) for file in FILES for name, made in file["networks"].items()]
# One-shot jobs: they end, so nobody asks how they are.
JOBS = {name for name, made in CONTAINERS.items() if made["restart"] != "unless-stopped"}
MAY_LEAVE = {"llm", "speech", "tts", "actions"}
HAS_A_DOOR = {"gateway", "grafana"}
EMULATORS = {"model-emulator"}
# Its image holds one program and no shell, so nothing in the container can ask it; Prometheus watches it.
CANNOT_BE_ASKED = {"collector"}


def networks(made: dict[str, Any]) -> set[str]:
    return {"none"} if made.get("network_mode") == "none" else set(made["networks"])


def test_every_service_has_a_container_at_its_port() -> None:
    assert set(PORTS) == set(OWN) <= set(CONTAINERS)
    for name, port in PORTS.items():
        assert CONTAINERS[name]["environment"]["PARLANCE_LISTEN"] == f"0.0.0.0:{port}"


def test_every_service_is_asked_where_its_container_listens() -> None:
    settings = STACK["x-settings"]
    asked = {k.removesuffix("_ADDRESS").removeprefix("PARLANCE_").lower(): v for k, v in settings.items()}
    for name in {"speech", "context", "llm", "actions", "tts", "ledger"}:
        assert asked[name] == f"{name}:{PORTS[name]}"


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_can_do_nothing_but_its_work(name: str) -> None:
    made = CONTAINERS[name]
    assert made["read_only"] is True and made["init"] is True
    assert made["cap_drop"] == ["ALL"] and "cap_add" not in made
    assert made["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "pid", "ipc", "userns_mode", "devices"} & made.keys()
    assert 0 < made["pids_limit"] <= 256 and re.fullmatch(r"\d+[mg]", made["mem_limit"])
    assert made["restart"] in ("unless-stopped", "on-failure:3", "on-failure:5")


@pytest.mark.parametrize("name", PORTS)
def test_a_service_is_given_the_time_that_it_takes_to_drain(name: str) -> None:
    assert float(CONTAINERS[name]["stop_grace_period"].removesuffix("s")) > DRAIN_S


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_is_not_root(name: str) -> None:
    made = CONTAINERS[name]
    user = made.get("user") or re.findall(r"^USER (\S+)$", DOCKERFILE, re.M)[-1]
    assert re.fullmatch(r"[1-9]\d*:\d+", user)


@pytest.mark.parametrize("name", CONTAINERS)
def test_an_image_is_pinned(name: str) -> None:
    image, _, tag = CONTAINERS[name]["image"].partition(":")
    assert re.fullmatch(r"v?\d+\.\d+\.\d+|pg\d+", tag), f"{image}:{tag}"
    assert "/" in image


@pytest.mark.parametrize("name", sorted(CONTAINERS.keys() - JOBS - CANNOT_BE_ASKED))
def test_a_container_says_how_it_is(name: str) -> None:
    made = CONTAINERS[name]
    check = made.get("healthcheck")
    if "build" in made:
        assert check is None and re.search(r"^HEALTHCHECK ", DOCKERFILE, re.M)
    else:
        assert check["test"][0] == "CMD" and {"interval", "timeout", "retries"} <= check.keys()


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_is_on_no_other_network_than_it_needs(name: str) -> None:
    allowed = {"inside"} | ({"outside"} if name in MAY_LEAVE else set()) | ({"edge"} if name in HAS_A_DOOR else set())
    allowed |= {"emulated"} if name == "llm" else set()
    assert networks(CONTAINERS[name]) in ({"emulated"} if name in EMULATORS else allowed, {"none"})
    assert bool(CONTAINERS[name].get("ports")) == (name in HAS_A_DOOR)


def test_what_is_not_asked_for_by_its_profile_stays_away() -> None:
    profiles = {name: made.get("profiles", []) for name, made in CONTAINERS.items()}
    assert {name for name, of in profiles.items() if of == ["cloud-emulators"]} == EMULATORS
    assert {name for name, of in profiles.items() if of == ["observability"]} == {
        *("collector", "jaeger", "prometheus", "grafana")
    }
    assert not any(profiles[name] for name in (*PORTS, "ledger-app", "kafka", "postgres", "secrets", "topics"))


def test_the_emulator_is_started_with_settings_that_it_takes() -> None:
    made = CONTAINERS["model-emulator"]
    words = made["command"]
    assert words[:3] == ["python", "-m", "infra.emulators.model"]
    given = dict(zip(words[3::2], words[4::2], strict=True))
    assert given["--host"] == "0.0.0.0" and given["--settings"] == mounts("model-emulator")["./model.json"][:-3]
    how = settings.made(settings.load(str(ROOT / "infra/emulators/model.json")))
    assert how.models == Settings().models and {fault.fault for fault in how.faults} == set(KINDS)
    assert all(fault.contains for fault in how.faults), "nothing fails that was not asked to"
    assert CONTAINERS["model-emulator"]["image"] == CONTAINERS["gateway"]["image"], "built with the gateway"


def test_doors_open_on_this_machine_alone_unless_somebody_says_otherwise() -> None:
    for name in HAS_A_DOOR:
        for port in CONTAINERS[name]["ports"]:
            assert port.startswith(("127.0.0.1:", "${PARLANCE_PUBLISH:-127.0.0.1}:"))


def test_the_inner_networks_have_no_way_out_and_the_edge_lets_only_answers_leave() -> None:
    assert {name for name, _ in NETWORKS} == {"inside", "edge", "outside", "emulated"}
    for name, made in NETWORKS:
        if name in ("inside", "emulated"):
            assert made == {"internal": True}
        elif name == "edge":
            assert made == {"driver_opts": {"com.docker.network.bridge.enable_ip_masquerade": "false"}}


def mounts(name: str) -> dict[str, str]:
    """What is mounted, by its source: the path, and "ro". Without the one file that its owner may name."""
    given = [mount for mount in CONTAINERS[name].get("volumes", []) if (name, mount) != PERSONA]
    return dict(mount.partition(":")[::2] for mount in given)


def test_how_to_speak_is_read_from_the_file_that_is_named_by_dialogue_alone() -> None:
    name, mount = PERSONA
    assert mount in CONTAINERS[name]["volumes"] and mount.endswith(":/persona.txt:ro")
    told = {n: made["environment"]["PARLANCE_PERSONA"] for n, made in CONTAINERS.items() if _told_persona(made)}
    assert told == {"dialogue": "${PARLANCE_PERSONA:+/persona.txt}"}


def _told_persona(made: dict[str, Any]) -> bool:
    return "PARLANCE_PERSONA" in made.get("environment", {})


@pytest.mark.parametrize("name", CONTAINERS)
def test_nothing_of_the_host_is_mounted_but_files_that_are_read(name: str) -> None:
    for source, target in mounts(name).items():
        assert source in VOLUMES or (source.startswith("./") and target.endswith(":ro")), source


def test_a_volume_of_secrets_is_mounted_by_one_container_and_by_who_fills_it() -> None:
    for volume in (v for v in VOLUMES if v.startswith("secrets-")):
        owner = volume.removeprefix("secrets-")
        assert mounts("secrets")[volume] == f"/handed/{owner}"
        readers = {name for name in CONTAINERS if volume in mounts(name)} - {"secrets"}
        # The broker's own certificate is the one that may make topics and give rights before anybody has any.
        # The ledger is two processes: one answers, one reads.
        also = {"kafka": {"topics"}, "ledger": {"ledger-app"}}.get(owner, set())
        assert readers == {owner, *also} & CONTAINERS.keys()
        assert all(mounts(name)[volume] == "/secrets:ro" for name in readers)
    assert {name for name in CONTAINERS if "authority" in mounts(name)} == {"secrets"}


def test_no_secret_is_in_the_files() -> None:
    for name, made in CONTAINERS.items():
        for key, value in made.get("environment", {}).items():
            secret = re.search(r"PASSWORD|SECRET|TOKEN|API_KEY|PRIVATE", key)
            assert not secret or key.endswith("_FILE"), f"{name}: {key}"
            assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), f"{name}: {key} holds a password"


def test_the_dockerfile_runs_what_the_lock_names_and_nothing_else() -> None:
    installs = re.findall(r"pip .*? install .*?(?=\n\n|\nFROM|; fi)", DOCKERFILE, re.S)
    assert len(installs) == DOCKERFILE.count(" install --quiet") == 2
    for install in installs:
        assert {"--no-deps", "--require-hashes", "--only-binary"} <= set(install.split())
    bases = re.findall(r"^FROM (\S+:\S+)", DOCKERFILE, re.M)
    assert bases and all(re.search(r":\d+\.\d+", base) for base in bases)
    last = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    assert "apt-get" not in DOCKERFILE and not re.search(r"\bpip\b|\bgcc\b", last)


def test_what_an_image_starts_is_compiled_already() -> None:
    """Its root cannot be written, and the official image has no bytecode of Python's own library."""
    for what in ('get_path("stdlib")', " /app"):
        assert re.search(rf"compileall -q (?:.|\n(?!\n))*{re.escape(what)}", DOCKERFILE), what


def test_every_package_that_an_image_is_given_is_in_the_lock() -> None:
    lock = (ROOT / "requirements/stack.txt").read_text()
    shared = {entry.split("==")[0] for entry in wanted(lock, "shared")}
    assert {"grpcio", "aiokafka", "psycopg", "prometheus-client", "pyyaml"} <= shared
    assert not {"hatchling", "onnxruntime", "faster-whisper", "openai", "faust-streaming"} & shared
    for service, names in OWN.items():
        found = {entry.split("==")[0] for entry in wanted(lock, service)}
        assert found == set(names.split()), service
    every = {entry.split("==")[0] for entry in wanted(lock, "all")}
    assert every == {name for names in OWN.values() for name in names.split()}


def test_what_is_copied_travels_to_the_builder() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M)
    assert {name for line in copied for name in line.split()} == sent
    assert all((ROOT / name).exists() for name in sent)


def test_keys_of_vendors_are_with_llm_alone_and_in_no_environment() -> None:
    with_keys = {name for name, made in CONTAINERS.items() if "PARLANCE_SECRETS_FILE" in made.get("environment", {})}
    assert with_keys == {"llm"} and CONTAINERS["llm"]["environment"]["PARLANCE_SECRETS_FILE"].startswith("/secrets/")
    assert {n for n, made in CONTAINERS.items() if any("secrets-llm" in v for v in made.get("volumes", []))} == {
        "llm",
        "secrets",
    }
    variables = {name for vendor in VENDORS.values() for name in (*vendor.keys, vendor.address)}
    assert not any(variables & set(made.get("environment", {})) for made in CONTAINERS.values())


def test_llm_has_a_catalogue_of_its_own_that_makes_sense() -> None:
    volumes, settings = CONTAINERS["llm"]["volumes"], CONTAINERS["llm"]["environment"]
    (file,) = (v.split(":")[0] for v in volumes if v.endswith(f":{settings['PARLANCE_CATALOGUE']}:ro"))
    emulated = LlmTarget(target="compatible:emulated", settings={"base_url": "http://model-emulator:8000/v1"})
    assert catalogue.load(ROOT / file).find(emulated) is not None
