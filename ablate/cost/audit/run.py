"""`audit`: the count of one model beside what other tools say about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from time import perf_counter
from typing import Any

import torch
from torch import nn

from ablate.cost.audit import with_fvcore, with_ptflops, with_torch
from ablate.cost.audit.step import random_input
from ablate.cost.audit.table import OK, AuditRow, AuditTable, Mode, Reading, explain
from ablate.cost.audit.untouched import silenced, untouched
from ablate.cost.count import count


@dataclass(frozen=True)
class Tool:
    """Another counter: how it is asked, and what it calls its figure."""

    name: str
    unit: str
    version: Callable[[], str]
    read: Callable[[nn.Module, torch.Tensor, bool, bool], Reading]


TOOLS = (
    Tool("fvcore", with_fvcore.UNIT, with_fvcore.version, with_fvcore.read),
    Tool("ptflops (pytorch)", with_ptflops.UNIT, with_ptflops.version, with_ptflops.read_pytorch),
    Tool("ptflops (aten)", with_ptflops.UNIT, with_ptflops.version, with_ptflops.read_aten),
    Tool("FlopCounterMode", with_torch.UNIT, with_torch.version, with_torch.read),
)


def audit(
    build: Callable[[], nn.Module] | nn.Module,
    resolution: int | tuple[int, int] = 224,
    *,
    channels: int = 3,
    mode: Mode = "as-called",
    training: bool = False,
    name: str = "",
) -> AuditTable:
    """Count a model and ask the other tools about it, on a real pass of one random image.

    `build` is a module with data, or a function that builds one; `resolution` is in pixels. Mode
    `as-called` asks the tools as their users do, in evaluation mode with fused attention on; `repaired`
    supplies the rules they lack through their own extension points, and then they must give the same
    integer (`AuditTable.agrees`). All figures are MACs. `training` counts forward and backward pass; fvcore
    and ptflops look at the forward pass only and show the rule of thumb, three times forward.

    A tool that is missing or breaks is a row with the reason, never an exception. The model and PyTorch are
    left as they were. Raises `AblateError` if the model itself cannot process such an image.
    """
    model = build if isinstance(build, nn.Module) else build()
    model = getattr(model, "_orig_mod", model)  # of a compiled module, the module itself
    size = (resolution, resolution) if isinstance(resolution, int) else (resolution[0], resolution[1])
    start = perf_counter()
    counted = count(model, size, channels=channels, training=training)
    seconds = perf_counter() - start
    total = counted.macs
    forward = count(model, size, channels=channels).macs if training else 0
    unneeded = max(0, 3 * forward - total)
    status = f"uncounted: {', '.join(counted.uncounted)}" if counted.uncounted else OK
    rows = [AuditRow("ablate", _own_version(), "MACs", status, total, 0, 0.0, seconds=seconds)]
    step = Step((channels, *size), mode, training, total, unneeded)
    rows += [_row(tool, model, step) for tool in TOOLS]
    return AuditTable(name or type(model).__name__, size, mode, training, total, tuple(rows))


@dataclass(frozen=True)
class Step:
    """What every tool is asked about one model, and the count it is held against."""

    size: tuple[int, int, int]
    mode: Mode
    training: bool
    macs: int
    unneeded: int


def _row(tool: Tool, model: nn.Module, step: Step) -> AuditRow:
    known: dict[str, Any] = {"tool": tool.name, "version": "", "unit": tool.unit}
    with silenced() as printed:
        try:
            known["version"] = tool.version()
            reading = _read(tool, model, step, step.mode == "repaired")
        except Exception as error:
            return AuditRow(**known, status=f"failed: {_reason(error, printed.getvalue())}", **_NOTHING)
        try:
            repaired = reading if step.mode == "repaired" else _read(tool, model, step, True)
        except Exception:
            repaired = None
    return AuditRow(**known, **explain(reading, repaired, step.macs, step.unneeded))


_NOTHING: dict[str, Any] = {"macs": None, "error": None, "error_percent": None}


def _read(tool: Tool, model: nn.Module, step: Step, repaired: bool) -> Reading:
    # the fast path of nn.MultiheadAttention is one operator that no tool prices
    fastpath = torch.backends.mha.get_fastpath_enabled()
    with untouched(model):
        try:
            torch.backends.mha.set_fastpath_enabled(fastpath and not repaired)
            model.eval()
            return tool.read(model, random_input(model, step.size), step.training, repaired)
        finally:
            torch.backends.mha.set_fastpath_enabled(fastpath)


def _reason(error: Exception, printed: str) -> str:
    """One line; ptflops prints the true reason and returns nothing."""
    messages = [line.strip() for line in printed.splitlines() if "Error" in line and line.strip()]
    text = (
        messages[-1] if messages and isinstance(error, RuntimeError) else f"{type(error).__name__}: {error}"
    )
    return " ".join(text.split())[:200]


def _own_version() -> str:
    try:
        return installed("ablate-vision")
    except PackageNotFoundError:
        return ""
