"""Providers (vendor adapters) by name, loaded when first used: vendor SDKs take a second to import.

A stage's `providers/__init__.py` holds a dict name -> "module:Class". A stranger's package registers the same way, by
an entry point in the group "parlance.<stage>"; ours have no privileges.
"""

import difflib
import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from parlance.errors import InvalidRequest


def known(stage: str, own: Mapping[str, str]) -> dict[str, str]:
    """All provider names of a stage, with where each is."""
    others = {e.name: e.value for e in entry_points(group=f"parlance.{stage}")}
    return {**others, **own}


def split(target: str) -> tuple[str, str]:
    """("flite", "rms") of "flite:rms"; the model may be empty."""
    name, _, model = target.partition(":")
    return name, model


def load(stage: str, own: Mapping[str, str], target: str, **settings: Any) -> Any:
    """The provider that `target` ("provider:model") names, made as `Class(model, **settings)`.

    Raises InvalidRequest where the name is unknown or the provider cannot run here; the message says what to do."""
    name, model = split(target)
    where = known(stage, own)
    if name not in where:
        near = difflib.get_close_matches(name.lower(), where, 1)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        raise InvalidRequest(f"unknown {stage} provider '{name}'{hint}; known: {', '.join(sorted(where))}")
    module, _, cls = where[name].partition(":")
    try:
        made = getattr(importlib.import_module(module), cls)
    except ImportError as exc:
        raise InvalidRequest(f"{stage} provider '{name}' needs the package '{exc.name}': pip install it") from exc
    return made(model, **settings)
