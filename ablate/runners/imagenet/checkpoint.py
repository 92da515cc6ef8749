"""Where a run stands, in a file: weights, optimizer, averaged weights, and the place in the data.

No random state is in it: every draw of the data and of the model starts from seed, epoch and step, so that
the place is the state.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from ablate.errors import AblateError


@dataclass
class Place:
    """How far a run is: `epoch` and `step` in it come next, both from 0. Losses are of the epoch so far."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    curve: list[tuple[int, float, float]] | None = None


def save(
    file: Path,
    job: dict[str, Any],
    place: Place,
    model: nn.Module,
    optimizer: Optimizer,
    ema: nn.Module | None,
) -> None:
    """Write the checkpoint; a kill in the middle leaves the one before."""
    record = {
        "job": job,
        "place": asdict(place),
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "ema": None if ema is None else ema.state_dict(),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.{os.getpid()}.part")
    torch.save(record, partial)
    os.replace(partial, file)


def load(
    file: Path, job: dict[str, Any], model: nn.Module, optimizer: Optimizer, ema: nn.Module | None
) -> Place:
    """Put a checkpoint's state in place; a fresh `Place` when there is no file.

    Raises `AblateError` when the file is broken or belongs to another job.
    """
    if not file.exists():
        return Place(curve=[])
    try:
        record = torch.load(file, map_location="cpu", weights_only=True)
        stored = record["job"]
    except Exception as error:  # unpickling raises what it likes
        raise AblateError(f"{file}: is no checkpoint ({(str(error).splitlines() or [''])[0]})") from error
    odd = [name for name in job if stored.get(name) != job[name]]
    if odd:
        raise AblateError(
            f"{file}: belongs to another run: its {odd[0]} is {stored.get(odd[0])!r}, not {job[odd[0]]!r}"
        )
    model.load_state_dict(record["model"])
    optimizer.load_state_dict(record["optimizer"])
    if ema is not None:
        ema.load_state_dict(record["ema"])
    place = Place(**record["place"])
    place.curve = [(int(epoch), float(lr), float(loss)) for epoch, lr, loss in place.curve or []]
    return place
