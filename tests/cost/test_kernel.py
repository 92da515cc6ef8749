"""The pinned attention kernel is the one that runs, on every device."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from ablate.cost import attention_kernel, device_kernel
from ablate.cost.operators.kernel import fused_can_serve

FUSED = "aten._scaled_dot_product_flash_attention_for_cpu.default"


class Names(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.add(str(func))
        return func(*args, **(kwargs or {}))


def run(device: str, kernel: str, **options):
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, 7, 8, device=device, requires_grad=True) for _ in range(3))
    with attention_kernel(kernel), Names() as names:
        out = F.scaled_dot_product_attention(q, k, v, **options)
    return names.seen, out


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_the_kernel_is_pinned(device: str) -> None:
    assert FUSED in run(device, "fused")[0]
    seen, _ = run(device, "math")
    assert FUSED not in seen
    assert "aten.bmm.default" in seen


@pytest.mark.parametrize(
    "options", [{}, {"is_causal": True}, {"scale": 0.3}, {"attn_mask": torch.eye(7) - 1}]
)
def test_both_kernels_agree(options) -> None:
    torch.testing.assert_close(run("cpu", "fused", **options)[1], run("cpu", "math", **options)[1])


def test_a_boolean_mask_agrees() -> None:
    mask = torch.ones(7, 7, dtype=torch.bool).tril()
    fused, math = (run("cpu", kernel, attn_mask=mask)[1] for kernel in ("fused", "math"))
    torch.testing.assert_close(fused, math)


def test_what_the_fused_kernel_cannot_serve_runs_as_math() -> None:
    q = torch.zeros(1, 2, 5, 8)
    bias = torch.zeros(5, 5, requires_grad=True)
    assert fused_can_serve(q, q, q)
    assert fused_can_serve(q, q, q, bias.detach())
    assert not fused_can_serve(q, q, q, bias)
    assert not fused_can_serve(q, q, q[..., :4])
    assert not fused_can_serve(q, q, q, dropout_p=0.1)
    with torch.no_grad():
        assert fused_can_serve(q, q, q, bias)
    assert (
        FUSED not in run("meta", "fused", attn_mask=torch.zeros(7, 7, device="meta", requires_grad=True))[0]
    )


def test_multi_head_attention_is_looked_into() -> None:
    with torch.device("meta"):
        attention, x = nn.MultiheadAttention(16, 2, batch_first=True).eval(), torch.zeros(1, 5, 16)
    with attention_kernel("fused"), Names() as names:
        out, _ = attention(x, x, x, need_weights=False)
    assert out.shape == (1, 5, 16)
    assert FUSED in names.seen


def test_the_device_is_asked() -> None:
    assert device_kernel("cpu") in ("fused", "math")
    assert device_kernel("meta") == "math"
    with pytest.raises(ValueError, match="fused, math"), attention_kernel("flash"):  # type: ignore[arg-type]
        pass
