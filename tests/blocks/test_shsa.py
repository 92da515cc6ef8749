"""Single-head attention against timm's SHViT, and its bare form against the formula."""

import pytest
import torch
from timm.models.shvit import SHSA

from ablate.cost import count
from blocks.shsa import SingleHeadAttention
from blocks.tokens import to_map, to_tokens

SIZES = pytest.mark.parametrize(("height", "width"), [(7, 9), (1, 1), (1, 7)])


@SIZES
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_equals_timm(image, same, height, width, training):
    block = SingleHeadAttention(14, partial=3 / 14, qk_dim=5, prenorm=True, batch_norm=True).double()
    with torch.no_grad():
        for tensor in block.parameters():
            tensor.add_(0.3 * torch.randn_like(tensor))
    twin = SHSA(14, 5, 3).double()
    twin.load_state_dict(dict(zip(twin.state_dict(), block.state_dict().values(), strict=True)))
    same(block.train(training), twin.train(training), image(14, height, width, batch=3), weights=False)


@SIZES
@pytest.mark.parametrize("partial", [0.25, 1.0])
def test_bare_form_equals_its_formula(image, same, height, width, partial):
    block = SingleHeadAttention(12, partial=partial, qk_dim=4).double()
    attending = round(12 * partial)

    def reference(x):
        tokens = to_tokens(x)
        first, rest = tokens[..., :attending], tokens[..., attending:]
        qkv = first @ block.qkv.weight[..., 0, 0].t() + block.qkv.bias
        scores = qkv[..., :4] @ qkv[..., 4:8].transpose(1, 2) / 2
        mixed = torch.cat([scores.softmax(-1) @ qkv[..., 8:], rest], -1).relu()
        return to_map(mixed @ block.proj.weight[..., 0, 0].t() + block.proj.bias, height, width)

    same(block, reference, image(12, height, width))


def test_macs():
    N, C, P, q = 63, 24, 6, 16
    macs = count(SingleHeadAttention(C), (7, 9), channels=C).macs
    assert macs == N * P * (2 * q + P) + N * N * (q + P) + N * C * C


def test_summary_is_keys_and_values():
    assert SingleHeadAttention.summary_size(24, 3, 63) == 63 * (16 + 6)
    assert SingleHeadAttention.summary_size(24, 3, 63, partial=0.5, qk_dim=8, prenorm=True) == 63 * (8 + 12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"partial": 0.0}, r"partial must lie in \(0, 1\], got 0.0"),
        ({"partial": 1.5}, r"partial must lie in \(0, 1\], got 1.5"),
        ({"qk_dim": 0}, "qk_dim must be at least 1, got 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SingleHeadAttention(8, **arguments)
