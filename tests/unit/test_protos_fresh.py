"""The checked-in stubs are what the protos say."""

import shutil
from pathlib import Path

import pytest

from infra.local import protos

pytest.importorskip("grpc_tools", reason="the stubs are generated with grpcio-tools, of the extra dev")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stubs")
    protos.generate(folder)
    return folder / protos.PACKAGE


def test_the_checked_in_stubs_are_fresh(made: Path) -> None:
    assert protos.stale(made, protos.ROOT / "libs" / protos.PACKAGE) == [], "type: make proto"


def test_a_changed_missing_or_left_over_stub_is_told(made: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    shutil.copytree(made, kept)
    (kept / "turn_pb2.py").write_text("# by hand\n")
    (kept / "reply_pb2.pyi").unlink()
    (kept / "gone_pb2.py").touch()
    assert protos.stale(made, kept) == ["gone_pb2.py", "reply_pb2.pyi", "turn_pb2.py"]


def test_only_services_have_grpc_classes(made: Path) -> None:
    names = {path.name.removesuffix("_service_pb2_grpc.py") for path in made.glob("*_pb2_grpc.py")}
    assert names == {"actions", "context", "gateway", "ledger", "llm", "speech", "tts"}
