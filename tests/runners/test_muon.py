import pytest
import torch
from torch import nn

from ablate.runners.muon import Muon, orthogonalized


def matrix(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(16, 48), (48, 16), (20, 20)])
def test_singular_values_become_about_one(shape: tuple[int, int]):
    batch = torch.stack([matrix(*shape, seed) for seed in range(3)])
    for before, after in zip(batch, orthogonalized(batch).float(), strict=True):
        values = torch.linalg.svdvals(after)
        assert float(values.max()) < 1.3
        assert float(values.mean()) == pytest.approx(0.9, abs=0.2)
        # the directions stay: U^T O V is close to a diagonal
        u, _, v = torch.linalg.svd(before, full_matrices=False)
        inner = u.T @ after @ v.T
        assert float((inner - inner.diag().diag()).abs().max()) < 0.1


def test_steps_are_torchs_for_matrices():
    """`torch.optim.Muon` is the reference: equal but for the order of bfloat16 products in a batch."""
    shapes = [(24, 8), (24, 8), (8, 24), (16, 16)]
    ours = [nn.Parameter(matrix(*shape, seed)) for seed, shape in enumerate(shapes)]
    theirs = [nn.Parameter(parameter.detach().clone()) for parameter in ours]
    first = Muon(ours, lr=0.05, momentum=0.9, weight_decay=0.1)
    second = torch.optim.Muon(theirs, lr=0.05, momentum=0.9, weight_decay=0.1)
    for step in range(4):
        for index, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            a.grad = matrix(*a.shape, seed=100 * step + index)
            b.grad = a.grad.clone()
        first.step()
        second.step()
    for a, b, start in zip(ours, theirs, (matrix(*s, i) for i, s in enumerate(shapes)), strict=True):
        assert torch.allclose(a, b, atol=3e-3)
        assert not torch.allclose(a, start, atol=2e-2)


def test_a_convolution_is_its_flattened_matrix():
    flat = nn.Parameter(matrix(12, 27))
    conv = nn.Parameter(flat.detach().view(12, 3, 3, 3).to(memory_format=torch.channels_last))
    gradient = matrix(12, 27, seed=1)
    flat.grad, conv.grad = gradient, gradient.view(12, 3, 3, 3).contiguous(memory_format=torch.channels_last)
    Muon([flat], lr=0.1).step()
    Muon([conv], lr=0.1).step()
    assert torch.equal(conv.flatten(1), flat)


def test_parameters_without_a_gradient_stay():
    moved, still = nn.Parameter(matrix(4, 4)), nn.Parameter(matrix(4, 4, 1))
    moved.grad = matrix(4, 4, 2)
    Muon([moved, still], lr=0.1, weight_decay=0.5).step()
    assert torch.equal(still, matrix(4, 4, 1))
    assert not torch.equal(moved, matrix(4, 4))


def test_vectors_are_refused():
    with pytest.raises(ValueError, match="vectors"):
        Muon([nn.Parameter(torch.zeros(3))])


def test_steps_are_timms_for_matrices_and_convolutions():
    """`timm.optim.Muon` flattens convolutions too; with Jordan's coefficients it takes the same steps."""
    import timm.optim

    shapes = [(24, 8), (12, 3, 3, 3), (8, 24), (12, 3, 3, 3)]
    starts = [
        torch.randn(*shape, generator=torch.Generator().manual_seed(i)) for i, shape in enumerate(shapes)
    ]
    ours = [nn.Parameter(start.clone()) for start in starts]
    theirs = [nn.Parameter(start.clone()) for start in starts]
    first = Muon(ours, lr=0.05, momentum=0.9, weight_decay=0.1)
    second = timm.optim.Muon(
        theirs,
        lr=0.05,
        momentum=0.9,
        weight_decay=0.1,
        nesterov=True,
        ns_coefficients="original",
        adjust_lr_fn="original",
        normalize_spatial=False,
    )
    for step in range(4):
        for index, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            generator = torch.Generator().manual_seed(100 * step + index)
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        first.step()
        second.step()
    for a, b, start in zip(ours, theirs, starts, strict=True):
        assert float((a - b).norm()) < 0.03 * float((a - start).norm())


def test_matrices_of_one_shape_go_through_one_product(monkeypatch: pytest.MonkeyPatch):
    """What ours is kept for: the iteration's products are as many as there are shapes, not matrices."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Products(TorchDispatchMode):
        number = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            self.number += "mm" in func.name()
            return func(*args, **(kwargs or {}))

    def products(number: int, optimizer: type[torch.optim.Optimizer]) -> int:
        parameters = [nn.Parameter(matrix(8, 16, seed)) for seed in range(number)]
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter)
        muon = optimizer(parameters, lr=0.1)  # type: ignore[call-arg]
        with Products() as seen:
            muon.step()
        return seen.number

    assert products(12, Muon) == products(1, Muon)
    assert products(12, torch.optim.Muon) == 12 * products(1, torch.optim.Muon)
