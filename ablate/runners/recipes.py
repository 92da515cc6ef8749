"""Training recipes by name: which optimizer moves which parameter, and how the learning rate goes.

A recipe is complete: everything that a run needs besides the data is in `Recipe`, and goes into its row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from ablate.errors import AblateError, did_you_mean
from ablate.runners.muon import Muon


@dataclass(frozen=True)
class Recipe:
    """One way of training. Learning rates are peaks; `warmup` is a fraction of all steps."""

    name: str
    lr: float  # of Muon where there is one, else of AdamW
    adamw_lr: float  # of AdamW; follows `lr` when that is changed
    schedule: Literal["triangle", "cosine"]
    warmup: float
    weight_decay: float
    label_smoothing: float
    muon: bool
    momentum: float = 0.95  # of Muon
    betas: tuple[float, float] = (0.9, 0.999)  # of AdamW

    def with_lr(self, lr: float | None) -> Recipe:
        """The recipe at another learning rate; AdamW's part keeps its ratio to it."""
        return self if lr is None else replace(self, lr=lr, adamw_lr=self.adamw_lr * lr / self.lr)

    def factor(self, step: int, steps: int) -> float:
        """The learning rate of step `step` of `steps` (from 0), as a fraction of the peak."""
        done = (step + 0.5) / steps
        if done < self.warmup:
            return done / self.warmup
        left = (1 - done) / (1 - self.warmup)
        return left if self.schedule == "triangle" else 0.5 * (1 - math.cos(math.pi * left))

    def optimizers(self, model: nn.Module) -> list[Optimizer]:
        """The optimizers that together move every trainable parameter once, at their peak learning rates.

        Muon's part: weights of linear layers and ordinary convolutions. AdamW's: the rest, which is the first
        layer and the classifier (their rows and columns are pixels and classes), depthwise and grouped
        convolutions (a row for each channel has no direction in common with the others), norms, biases, and
        embeddings. Weight decay acts on matrices and convolutions only.
        """
        matrices = muon_parameters(model) if self.muon else []
        chosen = {id(parameter) for parameter in matrices}
        rest = [p for p in model.parameters() if p.requires_grad and id(p) not in chosen]
        decayed = [p for p in rest if p.ndim >= 2]
        plain = [p for p in rest if p.ndim < 2]
        groups: list[dict[str, Any]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
        optimizer_list: list[Optimizer] = []
        if matrices:
            optimizer_list.append(Muon(matrices, self.lr, self.momentum, self.weight_decay))
        if rest:
            lr = self.adamw_lr if self.muon else self.lr
            optimizer_list.append(AdamW(groups, lr=lr, betas=self.betas, weight_decay=self.weight_decay))
        return optimizer_list


# Learning rates: chosen on a validation split by benchmarks/learning_rates.py (results/learning-rates.csv).
RECIPES = {
    "short": Recipe(
        "short",
        lr=0.06,
        adamw_lr=0.012,
        schedule="triangle",
        warmup=0.1,
        weight_decay=0.02,
        label_smoothing=0.1,
        muon=True,
        betas=(0.9, 0.99),
    ),
    "adamw": Recipe(
        "adamw",
        lr=0.004,
        adamw_lr=0.004,
        schedule="cosine",
        warmup=0.1,
        weight_decay=0.05,
        label_smoothing=0.1,
        muon=False,
    ),
}


def recipe(name: str, lr: float | None = None) -> Recipe:
    """The recipe of this name, at another learning rate if one is given. Raises `AblateError`."""
    if name not in RECIPES:
        raise AblateError(f"unknown recipe {name!r}{did_you_mean(name, tuple(RECIPES))}")
    if lr is not None and not lr > 0:
        raise AblateError(f"lr must be positive, got {lr}")
    return RECIPES[name].with_lr(lr)


def muon_parameters(model: nn.Module) -> list[Tensor]:
    """Weights of all linear layers and ungrouped convolutions but the first and the last layer of the
    model."""
    layers = [m for m in model.modules() if isinstance(m, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d)]
    inner = [layer for layer in layers[1:-1] if isinstance(layer, nn.Linear) or layer.groups == 1]
    unique = {id(layer.weight): layer.weight for layer in inner if layer.weight.requires_grad}
    ends = {id(layer.weight) for layer in (*layers[:1], *layers[-1:])}  # a shared weight may be inside too
    return [weight for key, weight in unique.items() if key not in ends]
