"""Initial weights that layouts share by name, the running mean of weights, and the weights of classes."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ablate.data.dataset import Dataset
from ablate.data.splits import DrawnSplit
from ablate.errors import AblateError

HALF_LIFE = 0.05
"""Of the running mean of the weights, as a part of the run."""


def paired(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Build a network whose random initial values depend on `seed` and each tensor's own name alone.

    Two networks that have a tensor of one name, shape and initialisation start from the same values in it,
    whatever else they have: stems, heads and the blocks that two layouts share are then equal, and paired
    differences do not carry their scatter. The network is built twice, the first time to learn which random
    draw ends in which tensor (a third time where the first build drew more, to fill a memory of its own).
    The caller's random numbers stay as they are. Raises `RuntimeError` for a builder that draws otherwise
    every time.
    """
    names: dict[int, str] | None = None
    with torch.random.fork_rng():
        for _ in range(4):
            torch.manual_seed(seed)
            with _Draws(names, seed) as draws:
                model = build()
            known, names = names, draws.names(model)
            if names == known:
                return model
    raise RuntimeError("the network draws other random numbers every time it is built")


class _Draws(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows random draws through the operators to the tensors that they end in.

    With `names`, the generator is seeded before each draw by the name of its tensor and by how many draws
    that tensor has had.
    """

    def __init__(self, names: dict[int, str] | None = None, seed: int = 0):
        super().__init__()  # type: ignore[no-untyped-call]
        self.chosen, self.seed = names, seed
        self.number = 0
        self.drawn: dict[str, int] = defaultdict(int)
        self.sources: dict[int, set[int]] = {}  # by storage, the draws in it
        self.kept: list[Tensor] = []  # so that no storage's place is used again

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        random = torch.Tag.nondeterministic_seeded in func.tags
        if random and self.chosen is not None:
            name = self.chosen.get(self.number, "")
            torch.manual_seed(name_seed(self.seed, name, self.drawn[name]))
            self.drawn[name] += 1
        result = func(*args, **(kwargs or {}))
        self._follow(args, kwargs, result, random)
        self.number += random
        return result

    def _follow(self, args: Any, kwargs: Any, result: Any, random: bool) -> None:
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        before = set().union(*(self.sources.get(_storage(leaf), set()) for leaf in inputs))
        outputs = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        for leaf in outputs:
            if before or random:
                self.kept.append(leaf)
                # what a draw fills in place holds that draw alone
                self.sources[_storage(leaf)] = {self.number} if random else before

    def names(self, model: nn.Module) -> dict[int, str]:
        """The tensor's name for every draw that ends in one."""
        owners: dict[int, str] = {}
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            for draw in self.sources.get(_storage(tensor), ()):
                owners.setdefault(draw, name)
        return owners


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def name_seed(seed: int, name: str, draw: int) -> int:
    """63 bits from a seed, a name and a number."""
    digest = hashlib.sha256(f"{seed}/{draw}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def running_mean(model: nn.Module, steps: int) -> AveragedModel:
    """The exponential mean of weights and buffers over a run of `steps` steps; `update_parameters` adds."""
    decay = 0.5 ** (1 / max(1.0, HALF_LIFE * steps))
    averaging = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(model, multi_avg_fn=averaging, use_buffers=True)


def class_weights(dataset: Dataset) -> Tensor:
    """`balanced` weights of the loss: training images / (classes x images of the class), float32 `(K,)`.

    A class without a training image weighs 0. Raises `AblateError` for drawn tasks, whose classes are
    balanced by construction.
    """
    if isinstance(dataset.train, DrawnSplit):
        raise AblateError(f"{dataset.name} is drawn: class_weights has no counts to weigh by")
    labels = dataset.train.labels
    counts = torch.bincount(labels[labels >= 0], minlength=len(dataset.classes)).float()
    return torch.where(counts > 0, counts.sum() / (len(counts) * counts), 0.0)
