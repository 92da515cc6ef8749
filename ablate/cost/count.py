"""`count`: exact multiply-accumulates, parameters and element-wise work of any module that takes an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch._ops import HigherOrderOperator, OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from ablate.cost.operators.batch_norm import single_values
from ablate.cost.operators.classes import Work, classify, elementwise, moved_bytes, tensors
from ablate.cost.operators.faithful import execute
from ablate.cost.operators.kernel import Kernel, attention_kernel
from ablate.cost.operators.replica import meta_replica, real_replica
from ablate.cost.operators.rules import RULES
from ablate.errors import AblateError


@dataclass(frozen=True)
class Tally:
    """Work of some operators: MACs of contractions, and element-wise operations as priced by
    `ablate.cost.operators.classes`.
    """

    macs: int = 0
    elementwise: int = 0
    bytes: int = 0  # read and written by all operators, bytes
    activations: int = (
        0  # output elements of contractions (convolution, matmul, attention) in the forward pass
    )

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.macs + other.macs,
            self.elementwise + other.elementwise,
            self.bytes + other.bytes,
            self.activations + other.activations,
        )


@dataclass(frozen=True)
class Count(Tally):
    """What one pass of a module costs. `flops` is `2 * macs` and nothing else."""

    params: int = 0
    uncounted: tuple[str, ...] = ()  # operators without a rule that may hide contractions, by name
    by_module: dict[str, Tally] = field(default_factory=dict)  # forward pass, by module path; "" is the whole
    device: str = "meta"  # "cpu" where the module had to be run on real data

    @property
    def flops(self) -> int:
        """Floating point operations of the contractions: two per multiply-accumulate."""
        return 2 * self.macs


class CountingMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the work of every operator that is dispatched while it is entered.

    `track(module)` attributes the work to the module's submodules too, by their paths.
    """

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.backward = False
        self.uncounted: dict[str, None] = {}
        self._tallies: dict[tuple[str, bool], list[int]] = {}
        self._path = [""]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if isinstance(func, HigherOrderOperator):
            out = func(*args, **kwargs)
            self._add(RULES.get(func), func, out, args, kwargs)
            return out
        rule = RULES.get(func.overloadpacket)
        if rule is None and func.namespace != "prim":
            with self:  # a composite operator that was not taken apart on its way here
                out = func.decompose(*args, **kwargs)
            if out is not NotImplemented:
                return out
        out = execute(func, args, kwargs)
        self._add(rule, func, out, args, kwargs)
        return out

    def _add(self, rule: Any, func: Any, out: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        tally = self._tallies.setdefault((self._path[-1], self.backward), [0, 0, 0, 0])
        if rule is not None:
            tally[0] += rule(out, *args, **kwargs)
            if not self.backward:
                tally[3] += next(tensors(out)).numel()
        if not isinstance(func, OpOverload):
            if rule is None:
                self.uncounted[str(func)] = None
            return
        if rule is None and classify(func) is Work.UNKNOWN:
            self.uncounted[str(func.overloadpacket)] = None
        tally[1] += elementwise(func, out, args, kwargs)
        tally[2] += moved_bytes(func, out, args, kwargs)

    @contextmanager
    def track(self, module: nn.Module) -> Iterator[None]:
        """Know which submodule is running: by hooks on `module`, removed afterwards."""

        def enter(path: str) -> Callable[..., None]:
            return lambda *_: self._path.append(path)

        def leave(*_: Any) -> None:
            self._path.pop()

        handles = []
        for path, child in module.named_modules():
            if path:
                handles.append(child.register_forward_pre_hook(enter(path)))
                handles.append(child.register_forward_hook(leave))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @property
    def total(self) -> Tally:
        """The work of all operators so far, forward and backward."""
        return sum((Tally(*tally) for tally in self._tallies.values()), Tally())

    @property
    def by_module(self) -> dict[str, Tally]:
        """The work of the forward pass by module path, children included; "" is the whole."""
        sums: dict[str, Tally] = {}
        for (path, backward), tally in self._tallies.items():
            parts = path.split(".") if path else []
            for depth in range(0 if backward else len(parts) + 1):
                name = ".".join(parts[:depth])
                sums[name] = sums.get(name, Tally()) + Tally(*tally)
        return sums


def run_pass(mode: CountingMode, module: nn.Module, x: torch.Tensor, training: bool, kernel: Kernel) -> Any:
    """Run a forward pass, and with `training` the backward pass from all outputs, under a counting mode."""
    with attention_kernel(kernel):
        if not training:
            with torch.no_grad(), mode:
                return module(x)
        with torch.enable_grad():
            with single_values(), mode:
                out = module(x)
            ends = [end for end in tensors(out) if end.requires_grad]
            gradients = [torch.ones_like(end) for end in ends]
            mode.backward = True
            with mode:
                torch.autograd.backward(ends, gradients)
        return out


def count(
    module: nn.Module,
    resolution: int | tuple[int, int] = 224,
    *,
    channels: int = 3,
    batch: int = 1,
    training: bool = False,
    kernel: Kernel = "fused",
) -> Count:
    """Count one pass of a module over a batch of images, (B, channels, H, W).

    The module may be built on `meta` or not; it is counted on a copy without data, and left as it is. A
    module that only runs on real data (its control flow looks at values) is copied and run on the CPU
    instead; `Count.device` then says "cpu".

    With `training`, forward and backward pass of a training step are counted, in training mode: by the
    convention of no recomputation that is three times the forward MACs, less one for every operator whose
    input needs no gradient. MACs do not depend on the attention `kernel`; bytes and activations do.

    Raises `AblateError` when the module cannot process such an image.
    """
    height, width = (resolution, resolution) if isinstance(resolution, int) else resolution
    module = getattr(module, "_orig_mod", module)  # of a compiled module, the module itself
    size = (batch, channels, height, width)
    try:
        return _count(meta_replica(module), "meta", size, training, kernel)
    except Exception as error:
        if any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers())):
            raise AblateError(
                f"{type(module).__name__} cannot process a {height} x {width} image without data: "
                f"{_first_line(error)} (a module that needs real data is counted when it is built on the CPU)"
            ) from error
    try:
        return _count(real_replica(module), "cpu", size, training, kernel)
    except Exception as error:
        raise AblateError(
            f"{type(module).__name__} cannot process a {height} x {width} image: {_first_line(error)}"
        ) from error


def _count(module: nn.Module, device: str, size: tuple[int, ...], training: bool, kernel: Kernel) -> Count:
    module.train(training)
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    mode = CountingMode()
    with mode.track(module):
        run_pass(mode, module, torch.zeros(size, dtype=dtype, device=device), training, kernel)
    return Count(
        **vars(mode.total),
        params=sum(parameter.numel() for parameter in module.parameters()),
        uncounted=tuple(sorted(mode.uncounted)),
        by_module=mode.by_module,
        device=device,
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
