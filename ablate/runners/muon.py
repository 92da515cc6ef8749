"""Muon: momentum, with the update of every matrix made orthogonal by a Newton-Schulz iteration.

K. Jordan et al., Muon: an optimizer for hidden layers in neural networks, 2024. `torch.optim.Muon` is the
same update for one matrix after another; here convolutions take part as flattened matrices, and matrices of
one shape are iterated as one batch, which for the small matrices of small networks is ten times faster on a
CPU.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic that Jordan chose for its slope at zero
STEPS = 5


def orthogonalized(matrices: Tensor, steps: int = STEPS) -> Tensor:
    """Matrices `(K, m, n)` with their singular values driven to about 1 (0.7 to 1.2), in bfloat16."""
    a, b, c = COEFFICIENTS
    X = matrices.bfloat16()
    tall = X.shape[-2] > X.shape[-1]
    if tall:
        X = X.mT
    X = X / X.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)  # the spectral norm is at most this one
    for _ in range(steps):
        gram = X @ X.mT
        X = torch.baddbmm(X, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), X, beta=a)
    return X.mT if tall else X


class Muon(Optimizer):
    """Muon for parameters of two dimensions or more; dimensions after the first are flattened into columns.

    One step moves a matrix `(m, n)` by `lr * sqrt(max(1, m / n))` along the orthogonal factor of the Nesterov
    momentum, after shrinking it by `lr * weight_decay`.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ):
        params = list(params)
        if any(parameter.ndim < 2 for parameter in params):
            raise ValueError("Muon takes matrices and convolutions, not vectors")
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Move all parameters that have a gradient."""
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            alike: dict[tuple[int, int], list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[parameter.shape[0], parameter[0].numel()].append(parameter)
            for (rows, columns), parameters in alike.items():
                self._move(parameters, rows, columns, group)

    def _move(self, parameters: list[Tensor], rows: int, columns: int, group: dict[str, Any]) -> None:
        momentum: float = group["momentum"]
        updates = torch.stack([self._nesterov(p, momentum).reshape(rows, columns) for p in parameters])
        scale = group["lr"] * max(1.0, rows / columns) ** 0.5
        for parameter, update in zip(parameters, orthogonalized(updates), strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(update.view(parameter.shape).to(parameter.dtype), alpha=-scale)

    def _nesterov(self, parameter: Tensor, momentum: float) -> Tensor:
        assert parameter.grad is not None
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        buffer: Tensor = state["momentum_buffer"].lerp_(parameter.grad, 1 - momentum)
        return parameter.grad.lerp(buffer, momentum)
