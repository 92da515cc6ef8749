"""Whatever PyTorch runs is counted: compiled, scripted, lazy, of mixed types; inputs of any kind."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from ablate.cost import count
from ablate.errors import AblateError

POINT, KERNEL = 3 * 8 * 1024, 27 * 8 * 1024  # MACs at 32 x 32


def conv(dim: int, out: int, kernel: int = 1, **options) -> nn.Conv2d:
    return nn.Conv2d(dim, out, kernel, padding=kernel // 2, **options)


def block() -> nn.Sequential:
    return nn.Sequential(conv(3, 8, 3), nn.ReLU(), conv(8, 4))


BLOCK = KERNEL + 8 * 4 * 1024


class Flex(nn.Module):
    def __init__(self, attend=flex_attention, mask=None, bias: bool = False, looks: bool = False) -> None:
        super().__init__()
        self.embed, self.qkv = nn.Conv2d(3, 64, 4, 4), nn.Linear(64, 192)
        self.bias = nn.Linear(1, 4) if bias else None
        self.attend, self.mask, self.looks = attend, mask, looks

    def forward(self, x):
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        q, k, v = self.qkv(tokens).reshape(len(tokens), -1, 3, 4, 16).permute(2, 0, 3, 1, 4)
        change = None
        if self.bias is not None:
            table = self.bias(torch.ones(64, 1, device=x.device))
            change = lambda score, b, h, i, j: score + table[i, h]  # noqa: E731 - as users write it
        mask = self.mask(x.device) if callable(self.mask) else self.mask
        out = self.attend(q, k, v, score_mod=change, block_mask=mask)
        return -out if self.looks and out.sum() > 1e9 else out


EMBED = 64 * 48 * 64
ATTEND = EMBED + 64 * 64 * 192 + 2 * 64 * 64 * 64


def causal(device) -> object:
    return create_block_mask(lambda b, h, i, j: i >= j, None, None, 64, 64, device=device)


@pytest.mark.filterwarnings("ignore:flex_attention called")
@pytest.mark.parametrize(
    "model",
    [
        Flex(),
        Flex(torch.compile(flex_attention)),
        Flex(mask=causal),
        Flex(mask=causal("cpu")),
        Flex(looks=True),
        torch.compile(Flex()),
    ],
    ids=["plain", "compiled", "mask-inside", "mask", "on-the-cpu", "whole-compiled"],
)
def test_flex_attention(model: nn.Module) -> None:
    forward, training = count(model, 32), count(model, 32, training=True)
    assert (forward.macs, forward.uncounted) == (ATTEND, ())
    assert (training.macs, training.uncounted) == (3 * ATTEND - EMBED, ())


def test_flex_attention_passes_gradients_to_what_its_score_captures() -> None:
    assert count(Flex(bias=True), 32).macs == ATTEND + 64 * 4
    assert count(Flex(bias=True), 32, training=True).macs == 3 * ATTEND - EMBED + 2 * 64 * 4


def test_flex_attention_gives_the_right_values() -> None:
    from ablate.cost.operators.eager import eager

    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 2, 8, 16) for _ in range(3))
    with eager():
        out = flex_attention(q, k, v)
    torch.testing.assert_close(out, torch.nn.functional.scaled_dot_product_attention(q, k, v))


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.yes, self.no = conv(3, 8), conv(3, 8, 3)

    def forward(self, x):
        return torch.cond(x.mean() > 0, lambda x: self.yes(x), lambda x: self.no(x), (x,))


def test_a_condition_takes_the_branch_that_its_value_says() -> None:
    for model in (Branches(), torch.compile(Branches())):
        counted = count(model, 32)
        assert (counted.macs, counted.ran_on, counted.uncounted) == (KERNEL, "cpu", ())
    assert count(Branches(), 32, training=True).macs == 2 * KERNEL


class Loops(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.conv = kind, conv(3, 3)

    def forward(self, x):
        from torch._higher_order_ops import while_loop
        from torch._higher_order_ops.map import map as mapped
        from torch._higher_order_ops.scan import scan

        if self.kind == "map":
            return mapped(lambda image: self.conv(image[None])[0], x)
        if self.kind == "scan":
            return scan(lambda state, image: (self.conv(state), image * 2), x[:1], x)[0]
        start = torch.zeros((), dtype=torch.long, device=x.device)
        return while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, self.conv(x)), (start, x))[1]


@pytest.mark.parametrize(("kind", "times"), [("map", 2), ("scan", 2), ("while", 6)])
def test_loops_of_higher_order_count_each_turn(kind: str, times: int) -> None:
    counted = count(Loops(kind), 32, batch=2)
    assert (counted.macs, counted.uncounted) == (times * 9 * 1024, ())


@pytest.mark.filterwarnings("ignore")
def test_torchscript() -> None:
    image = torch.zeros(1, 3, 32, 32)
    scripted, traced = torch.jit.script(block()), torch.jit.trace(block().eval(), image)
    for model in (scripted, traced, nn.Sequential(torch.jit.script(block()))):
        counted, training = count(model, 32), count(model, 32, training=True)
        assert (counted.macs, counted.params, counted.ran_on) == (BLOCK, 224 + 36, "cpu")
        assert training.macs == 3 * BLOCK - KERNEL
    inside = count(nn.Sequential(conv(3, 3), torch.jit.script(block())), 32)
    assert inside.by_module["1"].macs == BLOCK
    with torch.device("meta"):
        assert count(torch.jit.script(block()), 32).ran_on == "meta"


@pytest.mark.filterwarnings("ignore")
def test_what_torchscript_runs_past_the_dispatcher_is_named() -> None:
    model = torch.jit.optimize_for_inference(torch.jit.script(block().eval()))
    assert count(model, 32).uncounted == ("prim.mkldnn_convolution",)


def test_graphs_exported_and_traced() -> None:
    exported = torch.export.export(block().eval(), (torch.zeros(1, 3, 32, 32),)).module()
    for model in (exported, torch.fx.symbolic_trace(block())):
        assert count(model, 32).macs == BLOCK
        assert count(model, 32, training=True).macs == 3 * BLOCK - KERNEL


@pytest.mark.filterwarnings("ignore:Using .torch.compile")
def test_compiled_parts() -> None:
    product = torch.compile(lambda x, weight: torch.nn.functional.linear(x, weight))

    class Inside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.linear = torch.compile(conv(3, 8)), nn.Linear(32, 8)

        def forward(self, x):
            return product(self.conv(x), self.linear.weight)

    assert count(Inside(), 32).macs == POINT + 8 * 32 * 32 * 8
    model = block()
    model.compile()
    assert count(model, 32).macs == BLOCK


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_lazy_layers_are_initialised_on_the_copy() -> None:
    model = nn.Sequential(
        nn.LazyConv2d(8, 3, padding=1), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(10)
    )
    counted = count(model, 32)
    assert (counted.macs, counted.params) == (KERNEL + 81920, 224 + 16 + 81930)
    assert count(model, 32, training=True).macs == 3 * counted.macs - KERNEL
    assert isinstance(model[0], nn.LazyConv2d)
    assert nn.parameter.is_lazy(model[0].weight)


class Mixed(nn.Module):
    def __init__(self, first: torch.dtype, then: torch.dtype) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 8, 1, 1, dtype=then))
        self.stem, self.head = conv(3, 8).to(first), conv(8, 8).to(then)

    def forward(self, x):
        return self.head(self.stem(x).to(self.token.dtype) + self.token)


@pytest.mark.parametrize("first", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("then", [torch.float32, torch.float16])
def test_weights_of_several_types(first: torch.dtype, then: torch.dtype) -> None:
    assert count(Mixed(first, then), 32).macs == POINT + 8 * 8 * 1024


def test_autocast_inside() -> None:
    class Auto(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = block()

        def forward(self, x):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return self.block(x)

    assert count(Auto(), 32).macs == BLOCK


@pytest.mark.parametrize(
    "size", [np.int64(32), (np.int32(32), 32), [32, 32], np.array([32, 32]), torch.Size([32, 32])]
)
def test_sizes_of_any_whole_number(size) -> None:
    assert count(conv(3, 8), size).macs == POINT
    assert count(conv(3, 8), (32, 16)).macs == POINT // 2


@pytest.mark.parametrize("size", [32.5, 0, (1, 2, 3), "32", (8, -1)])
def test_what_is_no_size_is_an_error(size) -> None:
    with pytest.raises(AblateError, match="resolution"):
        count(conv(3, 8), size)


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.linear = conv(3, 8), nn.Linear(5, 7)

    def forward(self, x, y, scale=1):
        return self.conv(x).sum() + self.linear(y).sum() * scale


@pytest.mark.parametrize(
    "inputs",
    [
        [(1, 3, 32, 32), (2, 5)],
        ([1, 3, 32, 32], torch.Size([2, 5])),
        (torch.zeros(1, 3, 32, 32), torch.zeros(2, 5)),
        {"x": (1, 3, 32, 32), "y": torch.zeros(2, 5), "scale": 3},
    ],
)
def test_several_inputs(inputs) -> None:
    assert count(Two(), inputs=inputs).macs == POINT + 70
    assert count(Two(), inputs=inputs, training=True).macs == 2 * (POINT + 70)


def test_one_input_and_inputs_of_other_kinds() -> None:
    for inputs in ((1, 3, 32, 16), torch.zeros(1, 3, 32, 16), tuple(np.array([1, 3, 32, 16]))):
        assert count(conv(3, 8), inputs=inputs).macs == POINT // 2
    words = nn.Sequential(nn.Embedding(10, 8), nn.Linear(8, 4))
    assert count(words, inputs=torch.randint(0, 10, (2, 7))).macs == 14 * 32

    class Lists(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = conv(3, 8)

        def forward(self, images):
            return [self.conv(image) for image in images]

    assert count(Lists(), inputs=([(1, 3, 32, 32), (1, 3, 16, 16)],)).macs == POINT * 5 // 4
    with pytest.raises(AblateError, match="cannot process these inputs: Given groups=1"):
        count(conv(3, 8), inputs=[(1, 4, 8, 8)])
    with pytest.raises(AblateError, match="tensors or shapes"):
        count(conv(3, 8), inputs=3)


def test_wrappers_are_looked_through() -> None:
    assert count(nn.DataParallel(conv(3, 8)), 32).by_module[""].macs == POINT
    with torch.profiler.record_function("outer"):
        assert count(torch.compile(nn.DataParallel(conv(3, 8))), 32).uncounted == ()


def test_shared_layers_count_once_as_parameters_and_each_time_as_macs() -> None:
    shared = conv(8, 8)
    counted = count(nn.Sequential(conv(3, 8), shared, nn.ReLU(), shared), 32)
    assert counted.params == 32 + 72
    assert counted.macs == POINT + 2 * 64 * 1024


def test_work_by_operator_adds_up() -> None:
    for training in (False, True):
        counted = count(block(), 32, training=training)
        for name in ("macs", "elementwise", "bytes", "activations"):
            assert sum(getattr(tally, name) for tally in counted.by_operator.values()) == getattr(
                counted, name
            )
        assert counted.by_operator["aten.convolution"].macs == BLOCK
    assert counted.by_operator["aten.convolution_backward"].macs == 2 * BLOCK - KERNEL
