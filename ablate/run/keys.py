"""The key of a cell: a hash of everything that can change its value, derived and never listed by hand."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import metadata

import blocks
from ablate.dotted import load
from ablate.layout.call import BlockCall
from ablate.layout.network import Network
from ablate.layout.settings import Model
from ablate.measurements.register import AnyMeasurement
from ablate.run.closure import code_hash
from ablate.run.records import Json, digest, plain
from ablate.runners.device import name_of, resolve
from ablate.study.study import Study

_PERFORM = "ablate.run.perform:perform"


def cell_ingredients(study: Study, entry: AnyMeasurement, name: str, shared: str) -> Json:
    """What the key of one layout's cell is the digest of; `shared` is `condition_key` of its condition."""
    ingredients: Json = {"layout": layout_key(study.layouts[name]), "condition": shared}
    if entry.uses_input:
        ingredients["input"] = [study.input.channels, study.input.classes]
    if entry.against_baseline:
        ingredients["baseline"] = layout_key(study.layouts[study.baseline])
    return ingredients


def condition_key(entry: AnyMeasurement, condition: Model) -> str:
    """The part of a key that all layouts share: protocol, code that measures, versions, device."""
    return digest(condition_ingredients(entry, condition))


def condition_ingredients(entry: AnyMeasurement, condition: Model) -> Json:
    """What `condition_key` is the hash of, by the words in which `ablate status --why` names a change."""
    ingredients: Json = {
        "kind": entry.name,
        "protocol": plain(condition),
        "code": code_hash(*code_names(entry, condition)),
        "versions": {package: version(package) for package in ("torch", *entry.packages)},
    }
    if entry.content:
        ingredients["data"] = load(entry.content)(condition)
    device = entry.device_of(condition)
    if device is not None:
        ingredients["device"] = device_name(device)
    return ingredients


def code_names(entry: AnyMeasurement, condition: Model) -> list[str]:
    """The modules and files whose import closure makes the values of a condition."""
    return [entry.runner, _PERFORM, *filter(None, [entry.gather]), *entry.code(condition)]


@lru_cache(65536)
def layout_key(layout: Network) -> str:
    """The part of a key that is the layout's own: the resolved network and the code of its blocks."""
    return digest(layout_ingredients(layout))


def layout_ingredients(layout: Network) -> Json:
    """What `layout_key` is the hash of."""
    versions = {package: version(package) for package in layout.packages}
    return {"layout": layout.identity(), "blocks": block_sources(layout), "versions": versions}


@lru_cache(65536)
def block_sources(layout: Network) -> dict[str, str]:
    """Hashes of the import closure of every part that a layout is built from, by the part's name."""
    parts = [blocks.get(call.name, *kinds) for kinds, call in parts_used(layout)]
    return {f"{part.kind} {part.name}": code_hash(str(part.file)) for part in parts}


@lru_cache(65536)
def parts_used(layout: Network) -> tuple[tuple[tuple[blocks.Kind, ...], BlockCall], ...]:
    """The parts that a layout is built from; each layout is asked once."""
    return layout.parts_used()


@cache
def version(package: str) -> str:
    """The version of an installed package; each is asked for once."""
    return metadata.version(package)


@cache
def device_name(device: str) -> str:
    """What the device that a condition names calls itself. Raises `AblateError` when it is not here."""
    return name_of(resolve(device))


def forget() -> None:
    """Forget remembered keys, for a process in which blocks or versions change."""
    layout_key.cache_clear()
    parts_used.cache_clear()
    block_sources.cache_clear()
    version.cache_clear()
