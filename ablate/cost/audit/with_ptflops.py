"""ptflops, by its two backends: `pytorch` (hooks, patched functions) and `aten` (dispatched calls).

Both count MACs and one more for every bias. The pytorch backend misses what is written with `@` or as fused
attention, subclasses of the layers it knows, and everything *below* a module that has a rule of its own (qkv
and proj below timm's `Attention`); it adds norms, activations and element-wise arithmetic. The aten backend
misses fused attention. Neither knows a training step; three times forward is the usual rule of thumb.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import torch
from torch import nn

from ablate.cost.audit import rules
from ablate.cost.audit.functions import FunctionTally
from ablate.cost.audit.table import OK, RULE_OF_THUMB, Reading

UNIT = "MACs"

Hook = Callable[[Any, Any, Any], None]

_LAYERS = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.Linear,
)


def version() -> str:
    """The installed version of ptflops."""
    from importlib.metadata import version

    return version("ptflops")


def read_aten(model: nn.Module, x: torch.Tensor, training: bool, repaired: bool) -> Reading:
    """The aten backend; with `repaired`, its `custom_modules_hooks` give the missing and the right rules."""
    from ptflops.aten_ops import ATEN_OPS_MAPPING

    right = _aten_rules()
    used = {**ATEN_OPS_MAPPING, **right} if repaired else ATEN_OPS_MAPPING
    tally: Counter[str] = Counter()

    def noted(op: Any, rule: Callable[..., int]) -> Callable[..., int]:
        def count(inputs: Any, outputs: Any) -> int:
            macs = int(rule(inputs, outputs))
            product = min(macs, right[op](inputs, outputs)) if op in right else macs
            tally[str(op).removeprefix("aten.")] += product
            tally["bias"] += macs - product
            return macs

        return count

    start = perf_counter()
    rules_by_op = {op: noted(op, rule) for op, rule in used.items()}
    macs = _ask(model, x, backend="aten", custom_modules_hooks=rules_by_op)
    return _reading(macs, tally, perf_counter() - start, training)


def read_pytorch(model: nn.Module, x: torch.Tensor, training: bool, repaired: bool) -> Reading:
    """The pytorch backend; with `repaired`, its hooks count functions, and layers without bias."""
    import ptflops  # noqa: F401  (before the clock starts)

    tally: Counter[str] = Counter()
    start = perf_counter()
    if repaired:
        functions = FunctionTally(_LAYERS)
        hooks = {**_repaired_hooks(model, tally), _End: _count_functions(functions)}
        options = {"count_functional": False}
        with functions.watch(model):
            macs = _ask(
                nn.Sequential(model, _End()), x, custom_modules_hooks=hooks, backend_specific_config=options
            )
        tally.update(functions.by_name)
    else:
        with _noted_functions(tally):
            macs = _ask(model, x, custom_modules_hooks=_noted_hooks(model, tally))
    return _reading(macs, tally, perf_counter() - start, training)


def _reading(macs: int, tally: Counter[str], seconds: float, training: bool) -> Reading:
    times = 3 if training else 1
    by_operator = {name: times * value for name, value in tally.items() if value}
    return Reading(times * macs, by_operator, seconds, RULE_OF_THUMB if training else OK)


def _ask(model: nn.Module, x: torch.Tensor, **options: Any) -> int:
    """Call ptflops; it prints its errors and then returns nothing, which is made an error again."""
    import ptflops

    ask: Any = ptflops.get_model_complexity_info  # may return any input, whatever its signature says

    with torch.no_grad():
        macs, _ = ask(
            model,
            tuple(x.shape[1:]),
            as_strings=False,
            print_per_layer_stat=False,
            input_constructor=lambda _: x,
            **options,
        )
    if macs is None:
        raise RuntimeError("ptflops did not finish")
    return int(macs)


def _aten_rules() -> dict[Any, Callable[..., int]]:
    """`rule(inputs, outputs)` for operators that it lacks or counts together with their bias."""
    aten = torch.ops.aten

    def pair(first: int) -> Callable[..., int]:
        return lambda i, _: rules.matmul(i[first].shape, i[first + 1].shape)

    def convolution(i: Any, o: Any) -> int:
        return rules.convolution(i[0].shape, i[1].shape, o[0].shape, bool(i[6]))

    def attention(i: Any, _o: Any) -> int:
        return rules.attention(i[0].shape, i[1].shape, i[2].shape)

    kernels = ("flash_attention_for_cpu", "flash_attention", "efficient_attention", "cudnn_attention")
    return {
        **{getattr(aten, name): pair(0) for name in ("mm", "bmm", "mv", "dot", "vdot")},
        **{getattr(aten, name): pair(1) for name in ("addmm", "baddbmm", "addmv", "addbmm")},
        **{getattr(aten, name): convolution for name in ("convolution", "_convolution")},
        **{getattr(aten, f"_scaled_dot_product_{kernel}"): attention for kernel in kernels},
    }


class _End(nn.Module):
    """Runs after the model, so that the work of functions has a module to be booked on."""

    def forward(self, x: Any) -> Any:
        return x


def _count_functions(functions: FunctionTally) -> Hook:
    def hook(module: Any, _input: Any, _output: Any) -> None:
        module.__flops__ = sum(functions.by_name.values())

    return hook


def _repaired_hooks(model: nn.Module, tally: Counter[str]) -> dict[type[nn.Module], Hook]:
    """ptflops' own hooks for layers and their subclasses, less the bias; nothing for what else it prices."""
    from ptflops.pytorch_ops import MODULES_MAPPING

    own: dict[type[nn.Module], Any] = MODULES_MAPPING
    hidden = _hidden_below(model, own)

    def layer(rule: Any) -> Hook:
        def hook(module: Any, inputs: Any, output: Any) -> None:
            before = module.__flops__
            rule(module, inputs, output)
            if module.bias is not None:
                module.__flops__ -= output.numel()
            tally[_layer_name(module, own, hidden)] += module.__flops__ - before

        return hook

    def parent(module: Any, _input: Any, _output: Any) -> None:
        module.__flops__ = sum(_booked(child, own) for child in module.children())

    hooks: dict[type[nn.Module], Hook] = {}
    for module in model.modules():
        kind = type(module)
        base = next((base for base in _LAYERS if isinstance(module, base)), None)
        if base is not None:
            hooks[kind] = layer(own.get(kind, own[base]))
        elif kind in own:
            hooks[kind] = parent
    return hooks


def _layer_name(module: nn.Module, own: dict[type[nn.Module], Any], hidden: dict[nn.Module, str]) -> str:
    """The class of a layer, and why ptflops passes over it if it does."""
    name = type(module).__name__
    if type(module) not in own:
        return f"{name} (subclass)"
    return f"{name} below {hidden[module]}" if module in hidden else name


def _booked(module: Any, own: dict[type[nn.Module], Any]) -> int:
    if hasattr(module, "__flops__"):
        return int(module.__flops__)
    return sum(_booked(child, own) for child in module.children())


def _hidden_below(model: nn.Module, own: dict[type[nn.Module], Any]) -> dict[nn.Module, str]:
    """Modules that ptflops passes over, as a module above has a rule of its own -> that module's class."""
    hidden: dict[nn.Module, str] = {}
    for module in model.modules():
        if type(module) in own:
            below = (child for child in module.modules() if child is not module)
            hidden.update((child, type(module).__name__) for child in below if child not in hidden)
    return hidden


def _noted_hooks(model: nn.Module, tally: Counter[str]) -> dict[type[nn.Module], Hook]:
    """ptflops' own hooks, unchanged, with a note of what each adds to the total; the bias apart."""
    from ptflops.pytorch_ops import MODULES_MAPPING

    hidden = _hidden_below(model, MODULES_MAPPING)

    def noted(rule: Any) -> Hook:
        def hook(module: Any, inputs: Any, output: Any) -> None:
            before = module.__flops__
            rule(module, inputs, output)
            if module in hidden:
                return
            added = module.__flops__ - before
            bias = output.numel() if isinstance(module, _LAYERS) and module.bias is not None else 0
            tally[type(module).__name__] += added - bias
            tally["bias"] += bias

        return hook

    kinds = {type(module) for module in model.modules()}
    return {kind: noted(MODULES_MAPPING[kind]) for kind in kinds if kind in MODULES_MAPPING}


@contextmanager
def _noted_functions(tally: Counter[str]) -> Iterator[None]:
    """ptflops' own rules for functions, unchanged, with a note of what each adds."""
    from ptflops import pytorch_ops

    def noted(function: Any, rule: Any) -> Callable[..., int]:
        def count(*args: Any, **kwargs: Any) -> int:
            macs = int(rule(*args, **kwargs))
            tally[function.__name__] += macs
            return macs

        return count

    tables: tuple[dict[Any, Any], ...] = (pytorch_ops.FUNCTIONAL_MAPPING, pytorch_ops.TENSOR_OPS_MAPPING)
    originals = [dict(table) for table in tables]
    for table in tables:
        table.update({function: noted(function, rule) for function, rule in table.items()})
    try:
        yield
    finally:
        for table, original in zip(tables, originals, strict=True):
            table.update(original)
