"""How fast the mixers are beside their counterparts in timm, forward and in a training step.

    python benchmarks/mixers.py [--only key_only separable ...] [--rounds 100] [--sizes 14x256 28x128 56x64]

Everything runs in one process on one thread. A round times both modules one after the other on the same
image, and gives one ratio; what is printed is the median of the rounds' ratios and the range of their middle
half. Time is the thread's own processor time: waiting for a core, on a machine with other work, is none of
it, and what others do to caches and clock strikes both. Ratios below 1 mean that the mixer of this
project is faster. A counterpart gets the memory layout of the image in which it is faster. Mixers that timm
lacks stand beside its global softmax attention.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
from timm.models.convnext import ConvNeXtBlock
from timm.models.efficientvim import HSMSSD
from timm.models.efficientvit_mit import LiteMLA
from timm.models.mobilevit import LinearSelfAttention
from timm.models.pvt_v2 import Attention as ReducedAttention
from timm.models.swiftformer import EfficientAdditiveAttention
from timm.models.swin_transformer import SwinTransformerBlock
from timm.models.vision_transformer import Attention
from timm.models.xcit import XCA
from torch import Tensor, nn

import blocks
from ablate.cost import count
from ablate.cost.count import CountingMode
from ablate.layout.call import BlockCall
from ablate.runners.provenance import git_state, load_average, processor_name
from blocks.tokens import to_tokens

SIZES = ("14x256", "28x128", "56x64")  # side and channels: one stage each of a small backbone
HEAD_WIDTH = 32
Make = Callable[[int, int, int], nn.Module]  # channels, heads, side of the map


@dataclass(frozen=True)
class Counterpart:
    """A module of timm that does comparable work, and how a channels-last map is given to it."""

    name: str
    make: Make
    inputs: Callable[[Tensor], list[Tensor]]  # in every memory layout that is worth trying


@dataclass(frozen=True)
class Ratio:
    """Time of a mixer over the time of its counterpart at one size; quartiles over the rounds."""

    mixer: str
    counterpart: str
    mode: str
    side: int
    dim: int
    milliseconds: float  # of the mixer
    ratio: float  # median
    low: float
    high: float
    macs: int  # of the mixer, forward
    counterpart_macs: int


class Windows(nn.Module):
    """The attention of timm's Swin block, its windows cut out and put back, on `(B, H, W, C)`."""

    def __init__(self, dim: int, heads: int, side: int):
        super().__init__()
        self.block = SwinTransformerBlock(dim, (side, side), heads, window_size=7, always_partition=True)
        self.block.mlp = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.block._attn(x)


class Reduced(nn.Module):
    """PVTv2's attention, which asks for the size of the map."""

    def __init__(self, dim: int, heads: int, side: int):
        super().__init__()
        self.side = side
        self.attention = ReducedAttention(dim, heads, sr_ratio=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, [self.side, self.side])


class States(nn.Module):
    """EfficientViM's mixer without the states that it also gives out."""

    def __init__(self, dim: int):
        super().__init__()
        self.mixer = HSMSSD(dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.mixer(x)[0]


SOFTMAX = Counterpart(
    "Attention", lambda dim, heads, side: Attention(dim, heads, qkv_bias=True), lambda x: [to_tokens(x)]
)
SEPARABLE = Counterpart(
    "LinearSelfAttention",
    lambda dim, heads, side: LinearSelfAttention(dim),
    lambda x: [x.flatten(2).unsqueeze(2), x.contiguous().flatten(2).unsqueeze(2)],
)
ADDITIVE = Counterpart(
    "EfficientAdditiveAttention",
    lambda dim, heads, side: EfficientAdditiveAttention(dim, dim),
    lambda x: [x, x.contiguous()],
)
HSM_SSD = Counterpart("HSMSSD", lambda dim, heads, side: States(dim), lambda x: [x, x.contiguous()])
REDUCED = Counterpart("pvt_v2.Attention", Reduced, lambda x: [to_tokens(x)])
WINDOWS = Counterpart("SwinTransformerBlock", Windows, lambda x: [x.permute(0, 2, 3, 1)])
CHANNELS = Counterpart(
    "XCA", lambda dim, heads, side: XCA(dim, heads, qkv_bias=True), lambda x: [to_tokens(x)]
)
LITE = Counterpart(
    "LiteMLA",
    lambda dim, heads, side: LiteMLA(dim, dim, heads=heads, dim=dim // heads, scales=(5,)),
    lambda x: [x, x.contiguous()],
)
CONVNEXT = Counterpart(
    "ConvNeXtBlock", lambda dim, heads, side: ConvNeXtBlock(dim), lambda x: [x, x.contiguous()]
)

SAME_REACH = BlockCall("key_only", (("saliency", "linear"), ("gate", "global")))
CASES: tuple[tuple[BlockCall, Counterpart], ...] = (
    (SAME_REACH, SEPARABLE),
    (BlockCall("key_only", (("saliency", "linear"),)), SEPARABLE),
    (BlockCall("key_only", (("gate", "global"),)), SEPARABLE),
    (BlockCall("key_only"), SEPARABLE),
    (BlockCall("separable"), SEPARABLE),
    (BlockCall("additive"), ADDITIVE),
    (BlockCall("hsm_ssd"), HSM_SSD),
    (BlockCall("softmax"), SOFTMAX),
    (BlockCall("sra"), REDUCED),
    (BlockCall("window"), WINDOWS),
    (BlockCall("xca"), CHANNELS),
    (BlockCall("litemla", (("kernel", 5), ("batch_norm", True))), LITE),
    (BlockCall("convnext"), CONVNEXT),
    *(
        (BlockCall(name), SOFTMAX)
        for name in ("linear", "rala", "mala", "mila", "focused", "agent", "neighbourhood")
    ),
    (BlockCall("ss2d", (("state", 1),)), SOFTMAX),
    (BlockCall("ss2d"), SOFTMAX),
)
GOAL = 1.0  # of SAME_REACH, forward, at every size: no slower than separable attention


def compare(
    cases: Sequence[tuple[BlockCall, Counterpart]] = CASES,
    sizes: Sequence[tuple[int, int]] = ((14, 256), (28, 128), (56, 64)),
    *,
    rounds: int = 100,
    batch: int = 1,
) -> Iterator[Ratio]:
    """One `Ratio` for every mixer, size (side, channels) and mode, forward and training step."""
    for call, counterpart in cases:
        for side, dim in sizes:
            heads = max(dim // HEAD_WIDTH, 2)
            entry = blocks.get(call.name, "mixer", "block")
            torch.manual_seed(0)
            mixer = entry.build({"dim": dim, "num_heads": heads, "drop_path": 0.0}, call.kwargs)
            mixer = mixer.to(memory_format=torch.channels_last)
            other = counterpart.make(dim, heads, side)
            x = torch.randn(batch, dim, side, side).contiguous(memory_format=torch.channels_last)
            macs = count(mixer, side, channels=dim).macs, counted(other, counterpart.inputs(x)[0])
            for mode, run in (("forward", forward), ("step", training_step)):
                candidates = [run(other, given) for given in counterpart.inputs(x)]
                seconds, ratios = interleaved(run(mixer, x), candidates, rounds)
                low, middle, high = quantiles(ratios)
                yield Ratio(
                    *(str(call), counterpart.name, mode, side, dim, 1e3 * seconds, middle, low, high), *macs
                )


def forward(module: nn.Module, x: Tensor) -> Callable[[], None]:
    """What is timed: a forward pass in evaluation, without gradients."""
    module = module.eval()

    def call() -> None:
        with torch.no_grad():
            module(x)

    return call


def training_step(module: nn.Module, x: Tensor) -> Callable[[], None]:
    """What is timed: a forward and a backward pass, with gradients for the image and all parameters."""
    module = module.train()
    image = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    upstream = torch.randn_like(module(image))
    wanted = [image, *(p for p in module.parameters() if p.requires_grad)]

    def call() -> None:
        torch.autograd.grad(module(image), wanted, upstream, allow_unused=True)

    return call


def interleaved(
    call: Callable[[], None], others: Sequence[Callable[[], None]], rounds: int
) -> tuple[float, list[float]]:
    """Median seconds of `call`, and its time over that of the fastest other, round by round."""
    calls = [call, *others]
    seconds = [[timed(run) for run in calls] for _ in range(rounds)]
    medians = [statistics.median(column) for column in zip(*seconds, strict=True)]
    fastest = min(range(1, len(calls)), key=medians.__getitem__)
    return medians[0], [row[0] / row[fastest] for row in seconds]


def timed(call: Callable[[], None]) -> float:
    """Processor seconds of one call in this thread, after one that brings its weights into the caches."""
    call()
    start = time.thread_time()
    call()
    return time.thread_time() - start


def quantiles(values: Sequence[float]) -> tuple[float, float, float]:
    """First quartile, median, third quartile."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def counted(module: nn.Module, x: Tensor) -> int:
    """MACs of a forward pass on any input."""
    mode = CountingMode()
    with torch.no_grad(), mode:
        module.eval()(x)
    return mode.total.macs


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 if key-only attention with separable attention's reach is slower than that."""
    parser = argparse.ArgumentParser(description="Time of the mixers over the time of their counterparts.")
    parser.add_argument("--only", nargs="+", metavar="MIXER", help="names of mixers; all by default")
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), metavar="SIDExCHANNELS")
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args(arguments)
    cases = [case for case in CASES if not options.only or case[0].name in options.only]
    if not cases:
        parser.error(f"no such mixer; known: {', '.join(sorted({call.name for call, _ in CASES}))}")
    sizes = [tuple(int(number) for number in size.split("x")) for size in options.sizes]
    torch.set_num_threads(1)
    print(environment(), flush=True)
    print(
        f"{'mixer':38} {'counterpart':25} {'mode':8} {'size':>7} {'ms':>8}   time ratio (middle half)   MACs"
    )
    missed = []
    for ratio in compare(cases, sizes, rounds=options.rounds):
        print(shown(ratio), flush=True)
        if (ratio.mixer, ratio.mode) == (str(SAME_REACH), "forward") and ratio.ratio > GOAL:
            missed.append(f"{ratio.side} x {ratio.side}")
    if any(call == SAME_REACH for call, _ in cases):
        verdict = f"MISSED at {', '.join(missed)}" if missed else "reached"
        print(f"goal, {SAME_REACH} forward: no slower than separable attention, {verdict}")
    return int(bool(missed))


def shown(ratio: Ratio) -> str:
    """One line of the table."""
    size, macs = f"{ratio.side}x{ratio.dim}", ratio.macs / ratio.counterpart_macs
    return (
        f"{ratio.mixer:38} {ratio.counterpart:25} {ratio.mode:8} {size:>7} {ratio.milliseconds:8.3f}   "
        f"{ratio.ratio:6.3f} ({ratio.low:.3f} to {ratio.high:.3f})  {macs:6.3f}"
    )


def environment() -> str:
    """What this ran on: commit, dirty flag, processor, versions, load."""
    commit, dirty = git_state(Path(__file__).resolve().parent)
    load = load_average()
    return (
        f"commit {(commit or 'unknown')[:10]}{' (dirty)' if dirty else ''}, {processor_name()}, "
        f"torch {torch.__version__}, timm {timm.__version__}, Python {platform.python_version()}, "
        f"one thread, batch 1{'' if load is None else f', load {load:.1f} on {os.cpu_count()} cores'}"
    )


if __name__ == "__main__":
    sys.exit(main())
