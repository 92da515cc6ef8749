import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from ablate.runners.attention import SHORT, ExplicitShortAttention, explicit_attention, training_kernels


def qkv(
    tokens: int = 13, dtype: torch.dtype = torch.float64, keys: int | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (
        torch.randn(2, 3, length, 8, generator=generator, dtype=dtype).requires_grad_()
        for length in (tokens, keys or tokens, keys or tokens)
    )
    return q, k, v


MASKS = {
    "none": None,
    "bias": torch.randn(1, 3, 13, 9, generator=torch.Generator().manual_seed(1), dtype=torch.float64),
    "keep": torch.rand(2, 1, 13, 9, generator=torch.Generator().manual_seed(2)) < 0.7,
}


@pytest.mark.parametrize("mask", list(MASKS))
@pytest.mark.parametrize("scale", [None, 0.3])
def test_explicit_product_is_pytorchs(mask: str, scale: float | None):
    results = []
    for attention in (F.scaled_dot_product_attention, explicit_attention):
        q, k, v = qkv(keys=9)
        out = attention(q, k, v, attn_mask=MASKS[mask], scale=scale)
        out.square().sum().backward()
        results.append((out, q.grad, k.grad, v.grad))
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-10)


class Operators(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


def fused(tokens: int, dtype: torch.dtype, **settings: object) -> bool:
    """Whether attention ran in the fused kernel inside the mode."""
    q, k, v = qkv(tokens, dtype)
    with Operators() as seen, ExplicitShortAttention():
        F.scaled_dot_product_attention(q, k, v, **settings)  # type: ignore[arg-type]
    return any("flash" in name for name in seen.names)


def test_only_short_attention_in_half_precision_changes():
    assert not fused(SHORT, torch.bfloat16)
    assert fused(SHORT + 1, torch.bfloat16)
    assert fused(16, torch.float32)
    assert fused(16, torch.bfloat16, is_causal=True)
    with torch.autocast("cpu", torch.bfloat16):
        assert not fused(16, torch.float32)


def test_only_on_a_cpu_in_bfloat16():
    cpu = torch.device("cpu")
    for precision, device, wanted in (
        ("bf16", cpu, True),
        ("fp32", cpu, False),
        ("bf16", torch.device("cuda"), False),
    ):
        with training_kernels(precision, device):
            mode = torch.overrides._get_current_function_mode()
        assert isinstance(mode, ExplicitShortAttention) is wanted
