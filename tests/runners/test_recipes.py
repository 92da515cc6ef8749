import pytest
import torch
from torch import nn

from ablate.errors import AblateError
from ablate.runners.muon import Muon
from ablate.runners.recipes import RECIPES, muon_parameters, recipe


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),  # 0: stem
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 16, 1),  # 2: pointwise
        nn.Conv2d(16, 16, 3, groups=16),  # 3: depthwise
        nn.Flatten(),
        nn.Linear(16, 12),  # 5: hidden
        nn.Linear(12, 10),  # 6: head
    )


def test_muon_moves_inner_matrices_only():
    model = network()
    chosen = {id(parameter) for parameter in muon_parameters(model)}
    names = {name for name, parameter in model.named_parameters() if id(parameter) in chosen}
    assert names == {"2.weight", "5.weight"}


def test_a_weight_shared_with_the_head_is_the_heads():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[2].weight
    assert muon_parameters(model) == []


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_parameter_is_moved_exactly_once(name: str):
    model = network()
    model[5].bias.requires_grad_(False)
    groups = [group for optimizer in RECIPES[name].optimizers(model) for group in optimizer.param_groups]
    moved = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(moved) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    for group in groups:
        vectors = [parameter.ndim < 2 for parameter in group["params"]]
        assert all(vectors) == (group["weight_decay"] == 0)
        assert not any(vectors) or all(vectors)


def test_learning_rates_go_to_their_optimizers():
    muon, adamw = recipe("short", lr=0.1).optimizers(network())
    assert isinstance(muon, Muon)
    assert muon.param_groups[0]["lr"] == 0.1
    base = RECIPES["short"]
    assert adamw.param_groups[0]["lr"] == pytest.approx(0.1 * base.adamw_lr / base.lr)
    (only,) = recipe("adamw", lr=0.3).optimizers(network())
    assert isinstance(only, torch.optim.AdamW)
    assert [group["lr"] for group in only.param_groups] == [0.3, 0.3]


def test_a_network_with_nothing_for_muon():
    (only,) = recipe("short").optimizers(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))
    assert isinstance(only, torch.optim.AdamW)


@pytest.mark.parametrize("name", list(RECIPES))
@pytest.mark.parametrize("steps", [1, 2, 7, 1000])
def test_schedule_rises_then_falls_to_zero(name: str, steps: int):
    training_recipe = RECIPES[name]
    factors = [training_recipe.factor(step, steps) for step in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)
    top = factors.index(max(factors))
    assert factors[: top + 1] == sorted(factors[: top + 1])
    assert factors[top:] == sorted(factors[top:], reverse=True)
    if steps == 1000:
        assert max(factors) > 0.99
        assert factors[-1] < 0.001
        assert top / steps == pytest.approx(training_recipe.warmup, abs=0.01)


def test_shapes_of_the_schedules():
    """Half way down, a triangle and a cosine are both at one half; a quarter down they differ."""
    for name, quarter in (("short", 0.75), ("adamw", 0.5 * (1 + 0.5**0.5))):
        training_recipe = RECIPES[name]
        for part, wanted in ((0.5, 0.5), (0.25, quarter)):
            step = round((training_recipe.warmup + part * (1 - training_recipe.warmup)) * 10000)
            assert training_recipe.factor(step, 10000) == pytest.approx(wanted, abs=1e-3)


def test_mistakes_are_named():
    with pytest.raises(AblateError, match="did you mean 'short'"):
        recipe("shrt")
    with pytest.raises(AblateError, match="positive"):
        recipe("short", lr=0.0)
