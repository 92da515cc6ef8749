"""`count`: exact multiply-accumulates, parameters and element-wise work of any module that takes an image."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from ablate.cost.counting import CountingMode, Tally
from ablate.cost.inputs import Call, Inputs, Resolution, image_dtypes, image_size
from ablate.cost.operators.batch_norm import single_values
from ablate.cost.operators.eager import eager
from ablate.cost.operators.kernel import Kernel, attention_kernel
from ablate.cost.operators.quantised import packed_parameters
from ablate.cost.operators.replica import stand_in
from ablate.cost.operators.script import unseen_operators
from ablate.cost.operators.within import tensors_within
from ablate.errors import AblateError, first_line

__all__ = ["Count", "CountingMode", "NoEndError", "Tally", "count", "run_pass"]


T = TypeVar("T")


class NoEndError(AblateError):
    """A training step of a module whose output no gradient can start from."""


@dataclass(frozen=True)
class Count(Tally):
    """What one pass of a module costs. `flops` is `2 * macs` and nothing else."""

    params: int = 0
    uncounted: tuple[str, ...] = ()  # operators without a rule that may hide contractions, by name
    recomputed: int = 0  # MACs of checkpointed forward work done again in training; no part of `macs`
    by_module: dict[str, Tally] = field(default_factory=dict)  # forward pass, by module path; "" is the whole
    by_operator: dict[str, Tally] = field(default_factory=dict)  # of all that is counted, by operator name
    ran_on: str = "meta"  # "cpu" where the module had to be run on real data

    @property
    def flops(self) -> int:
        """Floating point operations of the contractions: two per multiply-accumulate."""
        return 2 * self.macs


def run_pass(mode: CountingMode, module: nn.Module, x: torch.Tensor, training: bool, kernel: Kernel) -> Any:
    """Run a forward pass, and with `training` the backward pass from all outputs, under a counting mode.

    Raises `NoEndError` when a training step has trainable parameters and no output that needs a gradient.
    """
    return _run(mode, module, (x,), {}, training, kernel)


def _run(
    mode: CountingMode,
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    training: bool,
    kernel: Kernel,
) -> Any:
    with attention_kernel(kernel), eager():
        if not training:
            with torch.no_grad(), mode:
                return _drawn(module(*args, **kwargs))
        with torch.enable_grad():
            with single_values(), mode:
                out = _drawn(module(*args, **kwargs))
            ends = [end for end in tensors_within(out) if end.grad_fn is not None]
            if not ends and any(parameter.requires_grad for parameter in module.parameters()):
                raise NoEndError(
                    f"{type(module).__name__} has trainable parameters, but nothing that it returns "
                    f"({type(out).__name__}) needs a gradient: there is no backward pass to count"
                )
            gradients = [torch.ones_like(end) for end in ends]
            mode.backward = True
            if ends:
                with mode, single_values():
                    torch.autograd.backward(ends, gradients)
        return out


def _drawn(out: Any) -> Any:
    """A generator's results: until they are asked for, nothing has been computed."""
    return list(out) if isinstance(out, Iterator) else out


def count(
    module: nn.Module,
    resolution: Resolution = 224,
    *,
    channels: int = 3,
    batch: int = 1,
    training: bool = False,
    kernel: Kernel = "fused",
    inputs: Inputs | None = None,
) -> Count:
    """Count one pass of a module over a batch of images, (B, channels, H, W).

    `resolution` is a whole number or (H, W). `inputs` replaces the image: a tensor or a shape, a sequence of
    them (positional arguments, nested as the module wants them) or a mapping (keyword arguments); shapes
    become floating point tensors.

    The module may be built on `meta` or not; it is counted on a copy without data, and left as it is: also
    one that cannot be copied. A module that only runs on real data (its control flow looks at values, it is
    compiled or quantised) runs on the CPU instead; `Count.ran_on` then says "cpu".

    With `training`, forward and backward pass of a training step are counted, in training mode: by the
    convention of no recomputation that is three times the forward MACs, less one for every operator whose
    input needs no gradient; `Count.recomputed` says what checkpointing adds. MACs do not depend on the
    attention `kernel`; bytes and activations do. Parameters that are shared count once, each use counts as
    MACs.

    Raises `AblateError` when the module cannot process such an input, and when a training step has trainable
    parameters but no output to start from.
    """
    module = unwrapped(module)
    call = Call.of(inputs, (batch, channels, *image_size(resolution)))
    try:
        return on_twin(
            module, lambda twin, device, dtype: _count(twin, device, call, dtype, training, kernel)
        )
    except NoEndError:
        raise
    except Exception as refused:  # a user's module raises what it likes
        hint = ""
        if _without_data(module) and _wants_data(refused):
            hint = " (a module that needs real data is counted when it is built on the CPU)"
        where = " without data" if hint else ""
        raise AblateError(
            f"{type(module).__name__} cannot process {call.text}{where}: {first_line(refused)}{hint}"
        ) from refused


def on_twin(module: nn.Module, work: Callable[[nn.Module, str, torch.dtype], T]) -> T:
    """What `work` gives of a stand-in for the module, its device and a type of images.

    On `meta` first, then on the CPU where the module has its data, with each type that images may have; the
    module is left as it is. Raises `NoEndError` at once, else the first refusal on the last device.
    """
    refused: Exception | None = None
    for device in ("meta",) if _without_data(module) else ("meta", "cpu"):
        refused = None
        for dtype in image_dtypes(module):
            try:
                with as_before(), stand_in(module, device) as twin:
                    return work(twin, device, dtype)
            except NoEndError:
                raise
            except Exception as error:  # a user's module raises what it likes
                refused = refused or error
    assert refused is not None
    raise refused


def _without_data(module: nn.Module) -> bool:
    return any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers()))


def unwrapped(module: nn.Module) -> nn.Module:
    """The module inside of what compiles or distributes it."""
    while True:
        inner = getattr(module, "_orig_mod", None)
        if inner is None and isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = module.module
        if not isinstance(inner, nn.Module):
            return module
        module = inner


@contextmanager
def as_before() -> Iterator[None]:
    """Leave the random number generators of PyTorch's CPU, Python and NumPy as they were."""
    restore: list[Callable[[], Any]] = []
    state, draws = torch.get_rng_state(), random.getstate()
    restore += [lambda: torch.set_rng_state(state), lambda: random.setstate(draws)]
    numpy: Any = sys.modules.get("numpy.random")
    if numpy is not None:
        drawn = numpy.get_state()
        restore.append(lambda: numpy.set_state(drawn))
    try:
        yield
    finally:
        for put_back in restore:
            put_back()


def _count(
    module: nn.Module, device: str, call: Call, dtype: torch.dtype, training: bool, kernel: Kernel
) -> Count:
    set_mode(module, training)
    if any(map(is_lazy, (*module.parameters(), *module.buffers()))):
        initialise(module, call, device, dtype)
    mode = CountingMode()
    args, kwargs = call.make(device, dtype)
    with mode.track(module):
        _run(mode, module, args, kwargs, training, kernel)
    return Count(
        **vars(mode.total),
        params=sum(parameter.numel() for parameter in module.parameters()) + packed_parameters(module),
        uncounted=tuple(sorted({*mode.uncounted, *unseen_operators(module)})),
        recomputed=mode.recomputed,
        by_module=mode.by_module,
        by_operator=mode.by_operator,
        ran_on=device,
    )


def initialise(module: nn.Module, call: Call, device: str, dtype: torch.dtype) -> None:
    """Let lazy layers see their input once, so that they know their sizes."""
    args, kwargs = call.make(device, dtype)
    with torch.no_grad(), single_values(), eager():
        _drawn(module(*args, **kwargs))


def set_mode(module: nn.Module, training: bool) -> None:
    """Training or evaluation mode; exported graphs have one alone, and keep it."""
    try:
        module.train(training)
    except NotImplementedError:
        for layer in module.modules():
            layer.training = training


def _wants_data(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, NotImplementedError) or any(
        word in text for word in ("meta", "item()", "data-dependent", "without data", "torchscript")
    )
