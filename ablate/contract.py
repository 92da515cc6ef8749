"""The contract of a block: what every mixer and whole block, shipped or foreign, must hold to."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from ablate.cost import KERNELS, count, formulas, trace_memory
from ablate.errors import AblateError
from ablate.layout.arguments import find_part
from ablate.layout.call import BlockCall
from blocks.heads import NormPoolHead

SIZES = ((1, 1), (1, 7), (5, 3), (13, 9), (16, 16))


@dataclass(frozen=True)
class Verdict:
    """One line of the contract: whether the clause holds, and what was seen."""

    clause: str
    ok: bool
    detail: str


class ContractError(Exception):
    """A clause does not hold; the message says how."""


def check_contract(call: BlockCall, *, dim: int = 32, heads: int = 4) -> list[Verdict]:
    """Try every clause on a block of width `dim` with `heads` heads, on the CPU and on `meta`.

    A clause that raises anything fails with that as its detail; the others are tried all the same. Raises
    `AblateError` when the block does not exist, or refuses its arguments, this width or these heads.
    """
    entry = find_part(call.name, "mixer", "block")

    def build() -> nn.Module:
        torch.manual_seed(0)
        return entry.build({"dim": dim, "num_heads": heads, "drop_path": 0.0}, call.kwargs).eval()

    try:
        build()
    except (TypeError, ValueError) as error:
        raise AblateError(f"{call}: {error}") from error
    return [_verdict(clause, partial(test, build, dim)) for clause, test in _CLAUSES.items()] + [
        _verdict("formula and order", partial(_formulas, call))
    ]


def uncounted_operators(call: BlockCall) -> tuple[str, ...]:
    """Operators of a block's training step that have no counting rule and may hide contractions, by name.

    Raises `AblateError` for an unknown block and when it cannot be built or run.
    """
    entry = find_part(call.name, "mixer", "block")
    with torch.device("meta"):
        module = entry.build({"dim": 64, "num_heads": 2, "drop_path": 0.0}, call.kwargs)
    return count(module, 14, channels=64, training=True).uncounted


def _verdict(clause: str, test: Callable[[], str]) -> Verdict:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Verdict(clause, True, test())
    except ContractError as error:
        return Verdict(clause, False, str(error))
    except Exception as error:  # a foreign block may raise anything
        message = (str(error).strip().splitlines() or ["no message"])[0]
        return Verdict(clause, False, f"{type(error).__name__}: {message}")


Build = Callable[[], nn.Module]


def _input(dim: int, size: tuple[int, int], batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, dim, *size, generator=generator)
    return x.contiguous(memory_format=torch.channels_last)


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ContractError(message)


def _shapes(build: Build, dim: int) -> str:
    block = build()
    for size in SIZES:
        x = _input(dim, size)
        y = block(x)
        _require(y.shape == x.shape, f"{tuple(x.shape)} -> {tuple(y.shape)}")
        _require(bool(torch.isfinite(y).all()), f"not finite at {size[0]} x {size[1]}")
    return ", ".join(f"{height} x {width}" for height, width in SIZES)


def _gradients(build: Build, dim: int) -> str:
    block = build().train()
    x = _input(dim, (13, 9)).requires_grad_()
    y = block(x)
    y.backward(torch.randn(y.shape, generator=torch.Generator().manual_seed(2)))
    named = dict(block.named_parameters())
    missing = [name for name, p in named.items() if p.grad is None or not p.grad.any()]
    _require(not missing, f"no gradient for {', '.join(missing)}")
    bad = [name for name, p in named.items() if p.grad is not None and not torch.isfinite(p.grad).all()]
    _require(not bad, f"gradient not finite for {', '.join(bad)}")
    _require(x.grad is not None and bool(x.grad.any()), "no gradient for the input")
    return f"{len(named)} parameters and the input"


def _resolution(build: Build, dim: int) -> str:
    block, other = build(), build()
    before = {name: value.shape for name, value in block.state_dict().items()}
    block(_input(dim, (16, 16)))
    block(_input(dim, (9, 13)))
    after = {name: value.shape for name, value in block.state_dict().items()}
    _require(before == after, "the state changes its shape with the resolution")
    other.load_state_dict(block.state_dict())
    _require(
        torch.equal(block(_input(dim, (13, 9))), other(_input(dim, (13, 9)))), "state does not carry over"
    )
    return f"{sum(p.numel() for p in block.parameters())} parameters at any size"


def _channels_last(build: Build, dim: int) -> str:
    block, x = build(), _input(dim, (13, 9))
    y = block(x)
    _require(y.is_contiguous(memory_format=torch.channels_last), "the output is not channels-last")
    _require(torch.allclose(block(x.contiguous()), y, atol=1e-4), "contiguous input gives another result")
    return "in and out, and the same result for contiguous input"


def _samples(build: Build, dim: int) -> str:
    block, x = build(), _input(dim, (13, 9), batch=3)
    gap = (block(x)[1:2] - block(x[1:2])).abs().max().item()
    _require(gap < 1e-4, f"a sample's output depends on the rest of the batch (by {gap:.2g})")
    return "a sample alone gives the same as in a batch"


def _bf16(build: Build, dim: int) -> str:
    block, x = build(), _input(dim, (13, 9))
    exact = block(x)
    with torch.autocast("cpu", torch.bfloat16):
        y = block(x).float()
    _require(bool(torch.isfinite(y).all()), "not finite under bf16 autocast")
    error = ((y - exact).norm() / exact.norm().clamp_min(1e-12)).item()
    _require(error < 0.05, f"relative error {error:.2g} under bf16 autocast")
    return f"relative error {error:.1e} under autocast"


def _compile(build: Build, dim: int) -> str:
    block, x = build(), _input(dim, (13, 9))
    torch._dynamo.reset()
    compiled = torch.compile(block, fullgraph=True, backend="aot_eager")
    gap = (compiled(x) - block(x)).abs().max().item()
    _require(gap < 1e-4, f"differs by {gap:.2g} when compiled")
    return "one graph, traced forward (backend aot_eager), same result"


def _determinism(build: Build, dim: int) -> str:
    block, x = build(), _input(dim, (13, 9))
    _require(torch.equal(block(x), block(x)), "two calls in eval mode differ")
    _require(torch.equal(build()(x), block(x)), "two builds from one seed differ")
    return "bitwise, over calls and builds"


def _counted(build: Build, dim: int) -> str:
    work = count(build(), (13, 9), channels=dim, training=True)
    _require(not work.uncounted, f"no counting rule for {', '.join(work.uncounted)}")
    return f"{work.macs:,} MACs in a training step at 13 x 9, none left out"


def _formulas(call: BlockCall) -> str:
    by_quantity = formulas(call, ("params", "macs"))
    for name, formula in by_quantity.items():
        _require(formula.expression is not None, f"{name} have no closed form in N and C")
    conditions = {formula.condition for formula in by_quantity.values() if formula.condition}
    where = f" where {'; '.join(sorted(conditions))}" if conditions else ""
    return (
        f"MACs {by_quantity['macs']}, {by_quantity['macs'].order}; parameters {by_quantity['params']}{where}"
    )


def _memory(build: Build, dim: int) -> str:
    """Predicted bytes against a real run under the same tracker, of the block with a classifier on top."""
    saved = []
    for kernel in KERNELS:
        real = nn.Sequential(build(), NormPoolHead(dim, 10, norm="none"))
        with torch.device("meta"):
            planned = nn.Sequential(build(), NormPoolHead(dim, 10, norm="none"))
        image = _input(dim, (13, 9))
        predicted = trace_memory(planned, image.to("meta"), kernel)
        measured = trace_memory(real, image, kernel)
        _require(predicted == measured, f"{kernel}: predicted {predicted}, real {measured}")
        saved.append(f"{predicted.saved_activations:,} ({kernel})")
    return f"{', '.join(saved)} bytes for two samples at 13 x 9, as in a real run"


_CLAUSES: dict[str, Callable[[Build, int], str]] = {
    "shapes": _shapes,
    "gradients": _gradients,
    "any resolution": _resolution,
    "channels-last": _channels_last,
    "samples apart": _samples,
    "bf16": _bf16,
    "torch.compile": _compile,
    "determinism": _determinism,
    "fully counted": _counted,
    "memory as predicted": _memory,
}
