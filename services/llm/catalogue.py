"""The catalogue: which models there are, what each can do, where it runs and what it costs. `catalogue.yaml` beside
this file, and a file of one's own over it."""

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from parlance.egress import leaves
from parlance.errors import InvalidRequest
from parlance.v1.control_pb2 import LlmTarget
from parlance.v1.turn_pb2 import Tier
from services.llm import catalogue_entry as entries
from services.llm.model import Model

SHIPPED = Path(__file__).with_name("catalogue.yaml")
_OWN = "a file of your own that PARLANCE_CATALOGUE names (services/llm/README.md shows one)"

# Settings of providers that say where a question goes: what the tier and the region of an entry were told for.
_WHERE = {"base_url", "proxy", "front", "region", "location", "project", "resource", "workspace", "profile"}
_WHERE |= {"inference_geo", "data_residency"}


class Catalogue:
    """`version`: "sha256:..." of the files that it was read from."""

    def __init__(self, models: Mapping[str, Model], version: str, unfinished: Mapping[str, str] = {}) -> None:
        """`unfinished`: entries that lack a tier or prices, each with what to write and where."""
        self._models, self.version, self._unfinished = dict(models), version, dict(unfinished)

    @property
    def models(self) -> list[Model]:
        return list(self._models.values())

    def find(self, target: LlmTarget) -> Model | None:
        """The model that a target names, at the address that its settings give; None where it cannot be routed to."""
        for found in self._named(target):
            if isinstance(found, Model) and not _elsewhere(found, target):
                return _at(found if found.name == target.target else _of_many(found, target.target), target)
        return None

    def missing(self, target: LlmTarget) -> str:
        """Why `find` has nothing, and what mends it; "" where it has."""
        if self.find(target) is not None:
            return ""
        for found in self._named(target):
            if isinstance(found, str):
                return found
            tier = Tier.Name(found.tier).removeprefix("TIER_").lower()
            own = "".join(f", {name}={value}" for name, value in found.settings.items() if name in _WHERE)
            return (
                f"the catalogue does not know '{target.target}' with {' '.join(_moved(found, target))} (it has "
                f"{found.name} with tier {tier}{own}): leave that out, or write an entry with that, its tier and its "
                f"prices into {_OWN}"
            )
        near = difflib.get_close_matches(target.target, self._models, 1)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        return (
            f"the catalogue does not know '{target.target}'{hint}: name a model that it knows, or write an entry with "
            f"its tier and prices into {_OWN}"
        )

    def _named(self, target: LlmTarget) -> list[Model | str]:
        """The entry of its name; then those that stand for many, the longest first, where there is none, or where the
        target has an address of its own."""
        all_of: dict[str, Model | str] = {**self._models, **self._unfinished}
        name, one = target.target, all_of.get(target.target)
        if one is not None and (isinstance(one, str) or not entries.address(target.settings)):
            return [one]
        many = [n for n in all_of if n.endswith("*") and name.startswith(n[:-1])]
        return [all_of[n] for n in (name, *sorted(many, key=len, reverse=True)) if n in all_of]


def load(own: Path | None = None) -> Catalogue:
    """The shipped catalogue, with the entries of `own` over it: field by field where both have one.

    Raises InvalidRequest, which names the file, the entry and the field, where one says what makes no sense."""
    models: dict[str, Model] = {}
    unfinished: dict[str, str] = {}
    said: dict[str, Any] = {}
    digest = hashlib.sha256()
    for path in (SHIPPED, *([own] if own else [])):
        content = _content(path)
        digest.update(content)
        for name, fields in _entries(path, content).items():
            before = said.get(name)
            said[name] = {**before, **fields} if isinstance(before, dict) and isinstance(fields, dict) else fields
            made = _checked(path, name, said[name])
            models.pop(name, None), unfinished.pop(name, None)
            if isinstance(made, Model):
                models[name] = made
            else:
                unfinished[name] = f"{path}: {made}"
    return Catalogue(models, f"sha256:{digest.hexdigest()}", unfinished)


def _checked(path: Path, name: str, fields: Any) -> Model | str:
    try:
        return entries.model(name, fields)
    except InvalidRequest as exc:
        raise InvalidRequest(f"{path}: {exc.message}") from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        hint = "" if path == SHIPPED else "; PARLANCE_CATALOGUE names it"
        raise InvalidRequest(f"the catalogue {path} cannot be read ({exc.strerror}){hint}") from exc


def _entries(path: Path, content: bytes) -> dict[str, Any]:
    try:
        said = yaml.load(content, _Plain)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as exc:
        raise InvalidRequest(f"{path}: is no YAML: {' '.join(str(exc).split())}") from None
    if not isinstance(said, dict) or set(said) != {"models"}:
        raise InvalidRequest(f"{path}: holds 'models:' and nothing else beside it")
    if not isinstance(said["models"], dict) or not all(isinstance(name, str) for name in said["models"]):
        raise InvalidRequest(f"{path}: models holds entries such as 'compatible:mine: {{tier: house}}'")
    return said["models"]


class _Plain(yaml.SafeLoader):
    """Every scalar stays the text that was written: a price is never a float. A name that stands twice is an error."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := sorted({str(key) for key in keys if keys.count(key) > 1}):
            raise ValueError(f"'{twice[0]}' stands there twice")
        return super().construct_mapping(node, deep)


_Plain.yaml_implicit_resolvers = {}


def _elsewhere(model: Model, target: LlmTarget) -> bool:
    """The target is to be asked somewhere else than its entry tells of. A partner that promises no region is one
    anywhere; on this machine any address of it will do."""
    if model.tier == Tier.TIER_PARTNER and not model.residency:
        return False
    return bool(_moved(model, target))


def _moved(model: Model, target: LlmTarget) -> list[str]:
    """The settings of a target that lead somewhere else than those of its entry: "base_url=http://..."."""
    said = {name: value for name, value in target.settings.items() if name in _WHERE}
    if model.tier == Tier.TIER_DEVICE:
        said = {name: value for name, value in said.items() if not _here(name, value)}
    return [f"{name}={value}" for name, value in said.items() if value != model.settings.get(name, "")]


def _here(name: str, value: str) -> bool:
    """An address of this machine."""
    return name in ("base_url", "proxy") and not leaves(entries.host_of(value))


def _at(model: Model, target: LlmTarget) -> Model:
    """A partner at another address than its entry's is somebody else: what a user said of the vendor is not said of
    whoever is there, and neither is what the vendor promised."""
    url = target.settings.get("base_url", "")
    if model.tier != Tier.TIER_PARTNER or not url or url == model.settings.get("base_url") or _here("base_url", url):
        return model
    host = entries.host_of(url)
    return replace(model, vendor=host, speaks_as=host, retention_days=-1)


def _of_many(model: Model, name: str) -> Model:
    return replace(model, name=name, wire_name=name.partition(":")[2])
