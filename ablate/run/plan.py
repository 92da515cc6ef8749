"""Study -> cells: everything that will be measured is planned before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import ablate
import blocks
from ablate.layout.network import Network
from ablate.run.cell import Cell, CellKind, Json, digest
from ablate.runners.device import name_of, resolve
from ablate.study.measures import Complexity, Throughput
from ablate.study.study import Study
from blocks.registry import source_hash

# What a kind of measurement is made by: changing one of these files makes its old rows stale.
_COUNTING = ("cost", "cost/operators", "cost/memory", "model")
_CODE: dict[CellKind, tuple[str, ...]] = {
    "complexity": _COUNTING,
    "scaling": (*_COUNTING, "cost/compare"),
    "audit": (*_COUNTING, "cost/audit"),
    "memory": (*_COUNTING, "runners/memory.py"),
    "throughput": (
        "runners/throughput.py", "runners/latency.py", "runners/device.py", "runners/environment.py",
        "model",
    ),
    "accuracy": (
        "runners/accuracy.py", "runners/attention.py", "runners/muon.py", "runners/recipes.py",
        "runners/device.py", "data", "model",
    ),
}  # fmt: skip


def plan(study: Study) -> list[Cell]:
    """All cells of a study, in the order of its layouts within each measurement.

    Cells that time layouts against each other follow one another, because they run together. Raises
    `AblateError` for a device that is not on this machine.
    """
    return [
        Cell(name, kind, condition, cell_key(study, name, kind, condition))
        for kind, condition in _conditions(study)
        for name in study.layouts
    ]


def cell_key(study: Study, name: str, kind: CellKind, condition: Mapping[str, Any]) -> str:
    """The hash of everything that can change a cell's value.

    The resolved layout, the condition with the whole protocol, the input, the code of the blocks and of the
    measurement, the version of torch (and of timm for its models), and for measured cells the device; where
    layouts are compared also the one that it is compared to.
    """
    layout = study.layouts[name]
    ingredients: Json = {
        "layout": layout.identity(),
        "kind": kind,
        "condition": dict(condition),
        "blocks": block_sources(layout),
        "code": code_hash(kind),
        "torch": metadata.version("torch"),
    }
    if kind != "accuracy":  # an accuracy cell takes its input from its data set
        ingredients["input"] = [study.input.channels, study.input.classes]
    ingredients |= {package: metadata.version(package) for package in layout.packages}
    if kind == "audit":
        ingredients["peers"] = [metadata.version("fvcore"), metadata.version("ptflops")]
    if "device" in condition:
        ingredients["device"] = name_of(resolve(condition["device"]))
    if kind in ("scaling", "throughput"):
        ingredients["baseline"] = study.layouts[baseline(study)].identity()
        ingredients["baseline blocks"] = block_sources(study.layouts[baseline(study)])
    return digest(ingredients)


def baseline(study: Study) -> str:
    """The layout the others are compared to: the report's, or the first one."""
    return study.report.baseline or next(iter(study.layouts))


def block_sources(layout: Network) -> dict[str, str]:
    """Code hashes of every file in `blocks/` (or of the user's) that a layout is built from."""
    entries = [blocks.get(call.name, *kinds) for kinds, call in layout.parts_used()]
    if not entries:
        return {}
    # a file of the user's may be called like one of `blocks/`: it goes by its part's name
    shipped = Path(blocks.__file__).resolve().parent
    sources = {
        entry.file.name if entry.file.parent == shipped else f"{entry.kind} {entry.name}": entry.source_hash
        for entry in entries
    }
    return sources | _shared_sources()


@cache
def _shared_sources() -> dict[str, str]:
    """Hashes of the files in `blocks/` that register no part: the parts are built with them."""
    folder = Path(blocks.__file__).parent
    registering = {entry.file for entry in blocks.entries("mixer", "block", "stem", "ffn", "norm")}
    shared = [file for file in folder.glob("*.py") if file.resolve() not in registering]
    return {file.name: source_hash(file) for file in shared if file.stem not in ("__init__", "registry")}


@cache
def code_hash(kind: CellKind) -> str:
    """The hash of the source that a kind of measurement is made by."""
    root = Path(ablate.__file__).parent
    files: Iterable[Path] = (
        file
        for name in _CODE[kind]
        for file in (sorted((root / name).glob("*.py")) if (root / name).is_dir() else [root / name])
    )
    return digest({str(file.relative_to(root)): source_hash(file) for file in files})


def _conditions(study: Study) -> Iterator[tuple[CellKind, Json]]:
    measure = study.measure
    if measure.complexity is not None:
        for resolution in measure.complexity.resolutions:
            yield "complexity", {"resolution": resolution}
        if measure.complexity.scaling:
            yield "scaling", _scaling(measure.complexity, measure.throughput)
        if measure.complexity.audit:
            for training in (False, True):
                for mode in ("as-called", "repaired"):
                    yield (
                        "audit",
                        {"resolution": study.input.resolution, "mode": mode, "training": training},
                    )
    if measure.memory is not None:
        for resolution in measure.memory.resolutions:
            for mode in measure.memory.modes:
                for kernel in ("fused", "math"):
                    condition = {"resolution": resolution, "mode": mode, "kernel": kernel}
                    condition |= {"batch": measure.memory.batch}
                    if resolution <= measure.memory.measured_up_to:
                        condition["device"] = measure.memory.device
                    yield "memory", condition
    if measure.throughput is not None:
        shared = measure.throughput.model_dump(mode="json", exclude={"resolutions", "modes", "precision"})
        for resolution in measure.throughput.resolutions:
            for mode in measure.throughput.modes:
                for precision in measure.throughput.precision:
                    yield (
                        "throughput",
                        {"resolution": resolution, "mode": mode, "precision": precision, **shared},
                    )
    if measure.accuracy is not None:
        shared = measure.accuracy.model_dump(mode="json", exclude={"seeds"})
        for seed in range(measure.accuracy.seeds):
            yield "accuracy", {"seed": seed, **shared}


def _scaling(complexity: Complexity, throughput: Throughput | None) -> Json:
    """The resolutions of the curves, and what is timed: its roofline is worked out for the same batch."""
    return {
        "resolutions": list(complexity.resolutions),
        "timed_resolutions": list(throughput.resolutions) if throughput else [],
        "timed_batch": throughput.batch if throughput else 1,
        "device": throughput.device if throughput else "auto",
        "threads": throughput.threads if throughput else 1,
    }
