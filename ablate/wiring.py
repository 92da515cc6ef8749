"""Which layer feeds which norm, and nothing else: seen in one forward pass, whatever the module's code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

# What asks about a tensor without reading it, and what gives another view of it.
_METADATA = frozenset(
    ("__get__", "size", "dim", "ndimension", "stride", "numel", "nelement", "__len__", "is_contiguous")
)
_VIEWS = frozenset(
    ("permute", "transpose", "flatten", "view", "reshape", "unflatten", "contiguous", "squeeze", "unsqueeze")
)


@dataclass(frozen=True)
class Link:
    """The output of `first` goes to `second`, each ran once, and no other code reads what lies between."""

    first: nn.Module
    second: nn.Module


def links(module: nn.Module, among: Iterable[nn.Module], image: Tensor) -> list[Link]:
    """Pairs of the submodules `among` of which the second alone reads what the first alone makes.

    `module` is run once on `image` without gradients, in the mode it is in; it may be on `meta`. Views may
    lie between the two if both have the same channels, at dimension 1 of a map, at the last one of tokens.
    Modules that run several times, that share a parameter with other code, or that have hooks are left out.
    """
    watch = _Watch()
    calls: dict[nn.Module, list[tuple[Tensor, Tensor]]] = {part: [] for part in among if not _hooked(part)}

    def record(part: nn.Module, args: tuple[Any, ...], out: Any) -> None:
        if len(args) == 1 and isinstance(args[0], Tensor) and isinstance(out, Tensor):
            calls[part].append((args[0], out))
        else:
            calls[part] += [(image, image)] * 2  # not a plain layer here: as if it had run twice

    handles = [part.register_forward_hook(record) for part in calls]
    try:
        with torch.no_grad(), watch:
            returned = module(image)
    finally:
        for handle in handles:
            handle.remove()
    watch.read(tree_leaves(returned))
    ran_once = {
        part: runs[0]
        for part, runs in calls.items()
        if len(runs) == 1 and all(watch.reads[id(p)] == 1 for p in part.parameters(recurse=False))
    }
    makers = {id(out): (part, out) for part, (_, out) in ran_once.items()}
    pairs = []
    for second, (tensor, _) in ran_once.items():
        source = watch.source(tensor)
        if source in makers:
            first, out = makers[source]
            if first is not second and _same_channels(first, out, second, tensor):
                pairs.append(Link(first, second))
    return pairs


def _hooked(part: nn.Module) -> bool:
    return bool(part._forward_hooks or part._forward_pre_hooks)


def _same_channels(first: nn.Module, out: Tensor, second: nn.Module, tensor: Tensor) -> bool:
    """Whether the channels that `first` gives and those that `second` takes lie at the same places."""
    given, taken = _channels(first, out), _channels(second, tensor)
    if tensor is out:
        return given % out.dim() == taken % out.dim()
    return out.shape[given] == tensor.shape[taken] and out.stride(given) == tensor.stride(taken)


def _channels(part: nn.Module, tensor: Tensor) -> int:
    return -1 if isinstance(part, nn.Linear) or tensor.dim() < 3 else 1


class _Watch(TorchFunctionMode):
    """Counts how often each tensor is read, and remembers of which tensor a tensor is a view."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: Counter[int] = Counter()
        self._viewed: dict[int, Tensor] = {}
        self._alive: list[Tensor] = []  # an id names a tensor for as long as that lives

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in _METADATA and not isinstance(out, Tensor):
            return out
        self.read(tree_leaves((args, kwargs)))
        if name in _VIEWS and isinstance(out, Tensor) and out is not args[0] and _share(out, args[0]):
            self._viewed[id(out)] = args[0]
            self._alive.append(out)
        return out

    def read(self, values: Iterable[Any]) -> None:
        """These values are read once more."""
        for value in values:
            if isinstance(value, Tensor):
                self.reads[id(value)] += 1
                self._alive.append(value)

    def source(self, tensor: Tensor) -> int:
        """The tensor, by its id, of which this one is a view that alone reads it; 0 if others read it too."""
        while self.reads[id(tensor)] == 1:
            if id(tensor) not in self._viewed:
                return id(tensor)
            tensor = self._viewed[id(tensor)]
        return 0


def _share(out: Tensor, tensor: Any) -> bool:
    """Whether both lie on one storage, from the same place on, with all their numbers."""
    return isinstance(tensor, Tensor) and bool(
        out.untyped_storage()._cdata == tensor.untyped_storage()._cdata
        and out.storage_offset() == tensor.storage_offset()
        and out.numel() == tensor.numel()
    )
