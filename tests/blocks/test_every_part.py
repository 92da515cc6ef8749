"""What every registered part must keep, whatever it computes; a new part is tested without a new line."""

import copy
import inspect
import re

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import blocks

SIZES = [(1, 1), (1, 7), (5, 3), (13, 9), (16, 16)]
DIM = 24

# Arguments worth testing besides the defaults, by part.
VARIANTS = {
    ("mixer", "key_only"): [
        {"gate": "global"},
        {"gate": "decay", "kernel": 3},
        {"gate_proj": True, "window": 3},
        {"saliency": "linear", "gate": "global"},
    ],
    ("mixer", "hsm_ssd"): [{"expand": 2.0, "offset": True}],
    ("mixer", "rala"): [{"gate": True, "rope": True, "lepe": 5}],
    ("mixer", "mala"): [{"gate": True, "rope": True, "lepe": 5}],
    ("mixer", "mila"): [{"conv": 3, "gate": True, "rope": True, "lepe": 3}],
    ("mixer", "focused"): [{"lepe": 5}],
    ("mixer", "ss2d"): [{"state": 1, "conv": 3, "gate": True}],
    ("mixer", "agent"): [{"agents": 3, "lepe": 3}],
    ("mixer", "neighbourhood"): [{"window": 3, "relative_bias": True}],
    ("mixer", "window"): [{"shift": True}, {"size": 4, "shift": True}],
    ("mixer", "sra"): [{"ratio": 1}, {"ratio": 8}],
    ("mixer", "conv"): [{"kernel": 7}],
    ("mixer", "parallel"): [{"of": ("conv", "softmax")}],
    ("mixer", "split"): [{"of": ("identity", "conv", "softmax"), "shares": (1, 2, 3)}],
    ("mixer", "depthwise"): [{"kernel": (1, 5), "bias": False}],
    ("mixer", "softmax"): [{"qkv_bias": False, "proj_bias": False}],
    ("block", "inverted"): [{"se": 0.25, "act": "silu", "expand": 1.0}],
    ("block", "bottleneck"): [{"se": 0.25}],
    ("norm", "group"): [{"groups": 4}, {"affine": False}],
    ("norm", "layer"): [{"bias": False}, {"affine": False}],
    ("ffn", "mlp"): [{"act": "star_relu", "bias": False, "dropout": 0.1}],
    ("stem", "convolution"): [{"norm": "batch", "before": "layer", "act": "relu", "kernel": 5, "stride": 2}],
    ("stem", "overlap"): [{"stride": 2, "prenorm": True}],
    ("stem", "patchify"): [{"stride": 2, "prenorm": True}],
}

# The parts whose channels-last claim is "not one copy of the tokens" on this kind of device.
WITHOUT_COPIES = {"softmax", "sra", "conv", "pool", "identity", "mbconv", "convnext", "mlp", "layer", "batch"}

CASES = [
    pytest.param(entry, arguments, id="-".join([entry.kind, entry.name, *map(str, arguments.values())]))
    for entry in blocks.entries("mixer", "block", "stem", "ffn", "norm", "position")
    for arguments in [{}, *VARIANTS.get((entry.kind, entry.name), [])]
]
every_part = pytest.mark.parametrize(("entry", "arguments"), CASES)


def build(entry, arguments):
    supplied = {"dim": DIM, "num_heads": 3, "drop_path": 0.0, "in_chans": DIM, "hidden": 40}
    return entry.build(supplied, arguments)


def feature_map(height, width, batch=2):
    x = torch.randn(batch, DIM, height, width)
    return x.contiguous(memory_format=torch.channels_last)


@every_part
def test_shape_and_memory_format(entry, arguments):
    part = build(entry, arguments)
    for height, width in SIZES:
        x = feature_map(height, width)
        y = part(x)
        if entry.kind != "stem":
            assert y.shape == x.shape
        assert y.shape[:2] == (2, DIM)
        assert y.is_contiguous(memory_format=torch.channels_last)


@every_part
def test_every_parameter_gets_a_gradient(entry, arguments):
    part = build(entry, arguments)
    x = feature_map(8, 8).requires_grad_()
    part(x).square().sum().backward()
    for name, tensor in [("input", x), *part.named_parameters()]:
        assert tensor.grad is not None, name
        assert tensor.grad.isfinite().all(), name


@every_part
def test_same_answer_in_both_memory_formats(entry, arguments):
    part = build(entry, arguments).eval()
    x = feature_map(5, 6)
    torch.testing.assert_close(part(x), part(x.contiguous()))


@every_part
def test_samples_do_not_meet(entry, arguments):
    """In evaluation a sample's answer does not depend on its batch."""
    part = build(entry, arguments).double().eval()
    x = feature_map(6, 5, batch=3).double()
    torch.testing.assert_close(part(x)[1:2], part(x[1:2]))


@every_part
def test_runs_on_meta(entry, arguments):
    with torch.device("meta"):
        part = build(entry, arguments)
    real = build(entry, arguments)
    for height, width in SIZES:
        x = torch.empty(2, DIM, height, width, device="meta", requires_grad=True)
        y = part(x)
        assert y.shape == real(feature_map(height, width)).shape
        y.sum().backward()
        assert x.grad is not None


@every_part
@pytest.mark.parametrize("conversion", ["autocast", "cast"])
def test_bf16_is_close_to_fp32(entry, arguments, conversion):
    part, x = build(entry, arguments).eval(), feature_map(9, 7)
    expected = part(x)
    if conversion == "autocast":
        with torch.autocast("cpu", dtype=torch.bfloat16):
            got = part(x)
    else:
        got = copy.deepcopy(part).bfloat16()(x.bfloat16())
    assert got.isfinite().all()
    error = (got.float() - expected).square().mean().sqrt()
    assert error < 0.02 * expected.square().mean().sqrt() + 1e-3


@every_part
def test_deterministic_in_evaluation(entry, arguments):
    part = build(entry, arguments).eval()
    x = feature_map(9, 7)
    assert torch.equal(part(x), part(x))


@every_part
def test_state_does_not_depend_on_resolution(entry, arguments):
    """The state is made of parameters and running statistics, unchanged by evaluation at any size."""
    part = build(entry, arguments).eval()
    before = {key: value.clone() for key, value in part.state_dict().items()}
    running = {key for key in before if re.search(r"running_(mean|var)$|num_batches_tracked$", key)}
    assert set(before) - running == {name for name, _ in part.named_parameters()}
    for height, width in SIZES:
        part(feature_map(height, width))
    assert all(torch.equal(value, before[key]) for key, value in part.state_dict().items())
    build(entry, arguments).load_state_dict(before)


class Copies(TorchDispatchMode):
    """Elements copied only to be laid out anew."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func.overloadpacket in (torch.ops.aten.clone, torch.ops.aten.copy_, torch.ops.aten._to_copy):
            self.elements += out.numel()
        return out


@pytest.mark.parametrize("name", sorted(WITHOUT_COPIES))
def test_channels_last_maps_are_not_copied(name):
    part, x = build(blocks.get(name, "mixer", "block", "ffn", "norm"), {}).eval(), feature_map(8, 8)
    with torch.no_grad(), Copies() as copies:
        part(x)
    assert copies.elements == 0


@every_part
def test_documented_and_typed(entry, arguments):
    assert entry.summary
    expected = {
        "mixer": ({"dim"}, {"dim", "num_heads"}),
        "block": ({"dim", "drop_path"},),
        "stem": ({"in_chans", "dim"}, set()),
        "ffn": ({"dim", "hidden"}, {"dim"}),
        "norm": ({"dim"},),
        "position": ({"dim"},),
    }
    # only a size by resolution is asked for besides
    assert set(entry.supplied) - {"resolution"} in expected[entry.kind]
    for argument in entry.arguments.values():
        assert argument.default is not inspect.Parameter.empty
        assert argument.type_name != "Any"
