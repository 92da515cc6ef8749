"""Models that are not made of parts: timm's, counted as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import nn

from ablate.cost.count import Count, Tally, count
from ablate.cost.memory.trace import Memory, module_tensors, storage_bytes, trace_memory
from ablate.cost.memory.tracker import StorageTracker
from ablate.cost.operators.kernel import Kernel, attention_kernel
from ablate.errors import AblateError
from ablate.model import build_timm


@dataclass(frozen=True)
class WholeModel:
    """A timm model's count, and its training MACs and memory when they are asked for."""

    name: str
    size: tuple[int, int]
    channels: int
    classes: int
    batch: int
    count: Count

    @cached_property
    def training_macs(self) -> int:
        """MACs of forward and backward pass."""
        return count(self.build(), self.size, channels=self.channels, batch=self.batch, training=True).macs

    def memory(self, kernel: Kernel) -> Memory:
        """Memory with one attention kernel, bytes."""
        return _memory(self.name, self.size, self.channels, self.classes, self.batch, kernel)

    def build(self) -> nn.Module:
        """The model on `meta`."""
        return _on_meta(self.name, self.size, self.channels, self.classes)

    @property
    def links(self) -> tuple[()]:
        """It has none: it is not made of parts."""
        return ()

    def inference_memory(self) -> int:
        """Bytes of the weights and the peak of one inference above them, attention fused.

        Without a training step, which some models refuse at small sizes.
        """
        module = self.build().eval()
        image = torch.empty((self.batch, self.channels, *self.size), device="meta")
        weights = module_tensors(module)
        tracker = StorageTracker([*weights, image])
        with torch.no_grad(), attention_kernel("fused"), tracker:
            module(image)
        return storage_bytes(weights) + tracker.peak


@lru_cache(1024)
def timm_model(
    name: str, size: tuple[int, int], channels: int = 3, classes: int = 1000, batch: int = 1
) -> WholeModel:
    """Count a timm model. Raises `AblateError` when timm cannot build it or it refuses the size."""
    try:
        counted = count(_on_meta(name, size, channels, classes), size, channels=channels, batch=batch)
    except AblateError:  # what runs on real data only is built with data; what refuses the size says why
        model = build_timm(name, classes, channels, resolution=size)
        counted = count(model, size, channels=channels, batch=batch)
    return WholeModel(name, size, channels, classes, batch, counted)


@lru_cache(1024)
def _memory(
    name: str, size: tuple[int, int], channels: int, classes: int, batch: int, kernel: Kernel
) -> Memory:
    image = torch.empty((batch, channels, *size), device="meta")
    return trace_memory(_on_meta(name, size, channels, classes), image, kernel)


def _on_meta(name: str, size: tuple[int, int], channels: int, classes: int) -> nn.Module:
    """A timm model for images of a size, on the `meta` device."""
    with torch.device("meta"):
        return build_timm(name, classes, channels, resolution=size)


def split(model: WholeModel) -> Iterator[tuple[str, int, Tally]]:
    """Name, parameters and work of the model's children, containers opened, and of the rest.

    The rest is what the model does and owns outside of its children (position embeddings, for example).
    """
    module = model.build()
    rest_params, rest = model.count.params, Tally(**{**vars(Tally()), **_fields(model.count)})
    for name, child in _pieces(module):
        params = sum(parameter.numel() for parameter in child.parameters())
        work = model.count.by_module.get(name, Tally())
        rest_params -= params
        rest = Tally(*(whole - part for whole, part in zip(_values(rest), _values(work), strict=True)))
        yield name, params, work
    if rest_params or any(_values(rest)):
        yield "rest", rest_params, rest


def _fields(tally: Tally) -> dict[str, int]:
    return dict(zip(("macs", "elementwise", "bytes", "activations"), _values(tally), strict=True))


def _values(tally: Tally) -> tuple[int, int, int, int]:
    return tally.macs, tally.elementwise, tally.bytes, tally.activations


def _pieces(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        if isinstance(child, nn.Sequential | nn.ModuleList) and len(child) > 1:
            yield from ((f"{name}.{inner}", grandchild) for inner, grandchild in child.named_children())
        else:
            yield name, child
