"""Every contraction against its closed form, forward and backward; no alarm where nothing is contracted."""

from __future__ import annotations

import random
from math import log2, prod

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.ao import quantization
from torchvision.ops import DeformConv2d

from ablate.cost import count

CFLOAT = torch.cfloat


class Forward(nn.Module):
    """A module that is one function of itself and the image."""

    def __init__(self, function, **parts) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.function(self, x)


def conv(dim: int, out: int, kernel: int = 1, **options) -> nn.Conv2d:
    return nn.Conv2d(dim, out, kernel, padding=kernel // 2, **options)


class Deformable(nn.Module):
    def __init__(self, groups: int, offset_groups: int, masked: bool) -> None:
        super().__init__()
        self.stem, self.offset = conv(3, 4), conv(4, 18 * offset_groups, 3)
        self.mask = conv(4, 9 * offset_groups, 3) if masked else None
        self.conv = DeformConv2d(4, 12, 3, padding=1, groups=groups)
        self.macs = 32 * 32 * (12 + 36 * (18 + 9 * masked) * offset_groups + 36 // groups * 12)

    def forward(self, x):
        x = self.stem(x)
        return self.conv(x, self.offset(x), None if self.mask is None else self.mask(x).sigmoid())


@pytest.mark.parametrize("groups", [(1, 1), (2, 1), (4, 2)])
@pytest.mark.parametrize("masked", [False, True])
def test_deformable_convolution(groups: tuple[int, int], masked: bool) -> None:
    model = Deformable(*groups, masked)
    forward, training = count(model, 32, batch=2), count(model, 32, training=True)
    assert (forward.macs, forward.uncounted) == (2 * model.macs, ())
    assert (training.macs, training.uncounted) == (3 * model.macs - 32 * 32 * 12, ())


def test_a_deformable_convolution_whose_inputs_need_no_gradient() -> None:
    model = Forward(lambda m, x: m.conv(x, x.new_zeros(1, 18, 32, 32)), conv=DeformConv2d(3, 8, 3, padding=1))
    assert count(model, 32, training=True).macs == 2 * 32 * 32 * 27 * 8


@pytest.mark.parametrize("p", [1.0, 2.0, float("inf")])
@pytest.mark.parametrize("centres", [5, 50])  # PyTorch takes a product from 26 on
def test_distances(p: float, centres: int) -> None:
    model = Forward(
        lambda m, x: torch.cdist(m.stem(x).flatten(2).mT, m.centres, p=p),
        stem=conv(3, 3),
        centres=nn.Parameter(torch.randn(centres, 3)),
    )
    stem, distances = 9 * 256, 256 * centres * 3
    assert count(model, 16).macs == stem + distances
    training = count(model, 16, training=True)
    assert (training.macs, training.uncounted) == (2 * stem + 3 * distances, ())


def test_bilinear_forms() -> None:
    model = Forward(
        lambda m, x: m.form(m.left(x), m.left(x)), left=nn.Linear(16, 8), form=nn.Bilinear(8, 6, 5)
    )
    model.form = nn.Bilinear(8, 8, 5)
    rows, product = 3 * 16, 3 * 16 * 16 * 8
    assert count(model, 16).macs == 2 * product + rows * 5 * 8 * 8
    assert count(model, 16, training=True).macs == 4 * product + 4 * rows * 5 * 8 * 8


@pytest.mark.parametrize(("size", "macs"), [((1, 3, 8, 9), 72 * 2 * 3), ((1, 1, 4, 5, 6), 120 * 3 * 4)])
def test_affine_grids(size: tuple[int, ...], macs: int) -> None:
    dims = len(size) - 2
    model = Forward(
        lambda m, x: F.affine_grid(m.theta, size, align_corners=False),
        theta=nn.Parameter(torch.eye(dims, dims + 1)[None]),
    )
    assert count(model, 8).macs == macs
    assert count(model, 8, training=True).macs == 2 * macs


@pytest.mark.parametrize(
    ("name", "function", "macs"),
    [
        ("mm", lambda m, x: x[0, 0] @ m.w, 32 * 32 * 6),
        ("bmm", lambda m, x: x[0] @ m.w.expand(3, -1, -1), 3 * 32 * 32 * 6),
        ("mv", lambda m, x: x[0, 0] @ m.w[:, 0], 32 * 32),
        ("vdot", lambda m, x: torch.vdot(x[0, 0, 0], m.w[:, 0]), 32),
        ("einsum", lambda m, x: torch.einsum("bchw,wd->bcd", x, m.w), 3 * 32 * 6),
        ("conjugate", lambda m, x: x[0, 0].conj() @ m.w.conj(), 32 * 32 * 6),
        ("linear", lambda m, x: F.linear(x, m.w.T), 3 * 32 * 32 * 6),
        ("convolution", lambda m, x: F.conv2d(x, m.k, groups=3), 30 * 30 * 9 * 6),
        ("transposed", lambda m, x: F.conv_transpose2d(x, m.k.view(3, 2, 3, 3)), 32 * 32 * 9 * 6),
        ("product", lambda m, x: x * x, 0),
    ],
)
def test_complex_products_are_four_real_ones(name, function, macs) -> None:
    model = Forward(
        lambda m, x: torch.view_as_real(function(m, x.to(CFLOAT))),
        w=nn.Parameter(torch.randn(32, 6, dtype=CFLOAT)),
        k=nn.Parameter(torch.randn(6, 1, 3, 3, dtype=CFLOAT)),
    )
    counted = count(model, 32)
    assert (counted.macs, counted.uncounted) == (4 * macs, ())
    if macs and name != "vdot":  # its gradient scales a vector
        assert count(model, 32, training=True).macs == 8 * macs


def test_complex_convolutions_give_the_right_values() -> None:
    from ablate.cost.operators.eager import eager

    torch.manual_seed(0)
    layer, x = nn.Conv2d(4, 6, 3, stride=2, groups=2, dtype=CFLOAT), torch.randn(1, 4, 9, 9, dtype=CFLOAT)
    with eager():
        out = layer(x)
    torch.testing.assert_close(out, layer(x))


def test_einsum_of_any_shape() -> None:
    """The MACs are the product over all indices, once those of one operand alone are summed."""
    draw = random.Random(0)
    for _ in range(40):
        sizes = {letter: draw.choice([2, 3, 5]) for letter in "abcdef"}
        left, right = ("".join(draw.sample("abcdef", draw.randint(1, 4))) for _ in range(2))
        letters = sorted({*left, *right})
        out = "".join(draw.sample(letters, draw.randint(0, len(letters))))
        contracted = any(letter in left and letter in right and letter not in out for letter in letters)
        kept = [letter for letter in letters if letter in out or (letter in left and letter in right)]
        operands = {
            name: nn.Parameter(torch.randn([sizes[letter] for letter in term]))
            for name, term in (("p", left), ("q", right))
        }
        text = f"{left},{right}->{out}"
        model = Forward(lambda m, x, text=text: torch.einsum(text, m.p, m.q), **operands)
        assert count(model, 2).macs == (prod(sizes[letter] for letter in kept) if contracted else 0), text


@pytest.mark.filterwarnings("ignore:Sparse CSR")
@pytest.mark.parametrize("form", ["to_sparse", "to_sparse_csr"])
def test_sparse_products_count_what_is_stored(form: str) -> None:
    torch.manual_seed(0)
    matrix = (torch.rand(20, 32) > 0.7).float()
    stored = int(matrix.sum())
    model = Forward(lambda m, x: m.matrix @ m.linear(x[0, 0]), linear=nn.Linear(32, 32))
    model.register_buffer("matrix", getattr(matrix, form)())
    forward, training = count(model, 32), count(model, 32, training=True)
    assert (forward.macs, forward.uncounted, forward.ran_on) == (32 * stored + 32**3, (), "cpu")
    assert training.macs == 2 * 32 * stored + 2 * 32**3


def test_a_product_of_two_sparse_matrices() -> None:
    torch.manual_seed(0)
    a, b = (torch.rand(20, 32) > 0.7).float(), (torch.rand(32, 16) > 0.5).float()
    model = Forward(lambda m, x: torch.sparse.mm(m.a, m.b).to_dense() + x.sum())
    model.register_buffer("a", a.to_sparse())
    model.register_buffer("b", b.to_sparse())
    assert count(model, 4).macs == int((a @ b).sum())  # each is 0 or 1: pairs that meet


class Quantisable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.into, self.back = quantization.QuantStub(), quantization.DeQuantStub()
        self.conv, self.norm, self.relu = conv(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()
        self.grouped = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=4)
        self.up, self.linear = nn.ConvTranspose2d(8, 4, 2, stride=2), nn.Linear(4 * 1024, 10)

    def forward(self, x):
        x = self.up(self.grouped(self.relu(self.norm(self.conv(self.into(x))))))
        return self.back(self.linear(x.flatten(1)))


@pytest.mark.filterwarnings("ignore")
def test_quantised_layers() -> None:
    macs = 1024 * 27 * 8 + 256 * 9 * 2 * 8 + 256 * 8 * 4 * 4 + 4 * 1024 * 10
    model = quantization.fuse_modules(Quantisable().eval(), [["conv", "norm", "relu"]])
    model.qconfig = quantization.QConfig(
        activation=quantization.default_observer, weight=quantization.default_weight_observer
    )
    prepared = quantization.prepare(model)
    prepared(torch.randn(2, 3, 32, 32))
    params = sum(parameter.numel() for parameter in prepared.parameters())
    converted = quantization.convert(prepared)
    for counted in (count(prepared, 32), count(converted, 32)):
        assert (counted.macs, counted.params, counted.uncounted) == (macs, params, ())
    assert count(converted, 32, batch=2).macs == 2 * macs


@pytest.mark.filterwarnings("ignore")
def test_dynamically_quantised_layers() -> None:
    linear = quantization.quantize_dynamic(
        nn.Sequential(nn.Flatten(2), nn.Linear(1024, 16)), {nn.Linear}, dtype=torch.qint8
    )
    counted = count(linear, 32)
    assert (counted.macs, counted.params, counted.ran_on) == (3 * 1024 * 16, 1024 * 16 + 16, "cpu")
    lstm = quantization.quantize_dynamic(
        Forward(lambda m, x: m.net(x.flatten(2).mT)[0], net=nn.LSTM(3, 4, batch_first=True)),
        dtype=torch.qint8,
    )
    assert count(lstm, 8).macs == 64 * 16 * 7


@pytest.mark.parametrize(("kind", "gates"), [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
def test_recurrent_nets_cost_the_same_on_either_device(kind, gates: int) -> None:
    def tokens(m, x):
        y = m.net(x.flatten(2).mT)[0]
        return y if not m.looks or y.sum() < 1e9 else -y

    nets = [
        Forward(tokens, net=kind(3, 4, 2, batch_first=True, bidirectional=True), looks=looks)
        for looks in (False, True)
    ]
    for training in (False, True):
        free, real = (count(net, 3, batch=2, training=training) for net in nets)
        assert (free.ran_on, real.ran_on) == ("meta", "cpu")
        assert free.macs == real.macs
        assert free.uncounted == real.uncounted == ()
    assert count(nets[0], 3).macs == 9 * 2 * 4 * gates * (7 + 12)


def test_fourier_transforms_are_element_wise_work() -> None:
    for function, points in ((torch.fft.fft, 32), (torch.fft.rfft, 32), (torch.fft.rfft2, 1024)):
        counted = count(Forward(lambda m, x, f=function: torch.view_as_real(f(x))), 32)
        assert counted.uncounted == ()
        assert (counted.macs, counted.elementwise) == (0, 2.5 * 3 * 1024 * log2(points))
    counted = count(Forward(lambda m, x: torch.view_as_real(torch.fft.fft(torch.complex(x, x)))), 32)
    assert counted.elementwise == 5 * 3 * 1024 * 5
    both = count(Forward(lambda m, x: torch.fft.irfft2(torch.fft.rfft2(x), s=(32, 32))), 32)
    assert both.elementwise == 2 * 2.5 * 3 * 1024 * 10


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: F.grid_sample(x, x.new_zeros(1, 4, 4, 2), align_corners=False),
        lambda m, x: F.local_response_norm(x, 2),
        lambda m, x: F.interpolate(x[..., None], scale_factor=2, mode="trilinear"),
        lambda m, x: F.max_pool3d(x, 2),
        lambda m, x: F.pixel_shuffle(x.repeat(1, 4, 1, 1), 2).sort(-1)[0].unique_consecutive(),
        lambda m, x: torch.stft(x.flatten(1), 16, window=x.new_ones(16), return_complex=True).abs(),
        lambda m, x: F.scaled_dot_product_attention(x, x, x).unsafe_split(1, 1)[0],
        lambda m, x: torch.quantize_per_tensor(x, 0.1, 0, torch.quint8).dequantize(),
        lambda m, x: F.ctc_loss(
            x[0].log_softmax(-1), torch.ones(8, 2, dtype=torch.long), torch.full((8,), 3), torch.full((8,), 2)
        ),
        lambda m, x: F.embedding_bag(x.long().flatten(1), m.table),
    ],
)
def test_no_false_alarm(function) -> None:
    model = Forward(function, table=nn.Parameter(torch.zeros(4, 4)))
    assert count(model, 8).uncounted == ()


def test_in_place_and_out_forms_count_as_their_functional_ones() -> None:
    for function in (
        lambda m, x: x[0].clone().baddbmm_(x[0], x[0]),
        lambda m, x: torch.bmm(x[0], x[0], out=torch.empty_like(x[0])),
    ):
        assert count(Forward(function), 8).macs == 3 * 8**3
