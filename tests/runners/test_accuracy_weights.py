import math

import numpy as np
import pytest
import torch
from torch import nn

from ablate.data import TensorSplit, load
from ablate.layout import Layout
from ablate.runners.accuracy_weights import class_weights, paired, running_mean


def layout(pattern: str) -> Layout:
    return Layout(
        pattern, stem="patchify", widths=[16, 32], depths=[2, 2], heads=[2, 2], mlp_ratio=2, ffn="mlp"
    )


def weights(pattern: str, seed: int = 0) -> dict[str, torch.Tensor]:
    return dict(paired(lambda: layout(pattern).build(10, 3), seed).named_parameters())


def is_random(tensor: torch.Tensor) -> bool:
    return tensor.numel() > 1 and float(tensor.detach().std()) > 0


def test_layouts_share_what_has_one_name_and_shape():
    first, second = weights("alternate(conv, softmax)"), weights("key_only")
    common = [name for name in first if name in second and first[name].shape == second[name].shape]
    shared = [name for name in common if is_random(first[name])]
    assert {"stem.conv.weight", "head.fc.weight", "stages.1.block2.ffn.fc1.weight"} <= set(shared)
    assert all(torch.equal(first[name], second[name]) for name in common)


def test_seeds_and_names_give_different_values():
    first, other = weights("softmax"), weights("softmax", seed=1)
    random = [name for name in first if is_random(first[name])]
    assert len(random) > 8
    for name in random:
        assert not torch.equal(first[name], other[name]), name
    a, b = first["stages.0.block1.ffn.fc1.weight"], first["stages.0.block2.ffn.fc1.weight"]
    assert not torch.equal(a, b)
    assert all(torch.equal(first[name], again) for name, again in weights("softmax").items())


def test_the_distribution_is_that_of_the_initialisation():
    """A product of a draw, as key_only's saliency has it, keeps its scale; truncated draws stay truncated."""
    values = weights("key_only")
    assert float(values["head.fc.weight"].detach().std()) == pytest.approx(0.02, rel=0.15)
    pooled = torch.cat(
        [v.detach().flatten() for name, v in values.items() if name.endswith("mixer.saliency")]
    )
    assert float(pooled.std()) == pytest.approx(8**-0.5, rel=0.35)


def test_timm_models_too():
    import timm

    def build(name: str) -> nn.Module:
        return paired(lambda: timm.create_model(name, num_classes=10), 3)

    first, second = (dict(build(name).named_parameters()) for name in ("resnet10t", "resnet14t"))
    common = [n for n in first if n in second and first[n].shape == second[n].shape and is_random(first[n])]
    assert len(common) > 5
    common.remove("fc.bias")  # its bound is that of a layer's width, which is another one
    assert all(torch.equal(first[name], second[name]) for name in common)


def test_the_callers_random_numbers_stay():
    torch.manual_seed(0)
    wanted = torch.rand(2)
    torch.manual_seed(0)
    paired(lambda: nn.Linear(3, 3), 5)
    assert torch.equal(torch.rand(2), wanted)


def test_the_running_mean_is_the_recursion():
    model, steps = nn.Linear(2, 1, bias=False), 40
    mean = running_mean(model, steps)
    decay, wanted = 0.5 ** (1 / (0.05 * steps)), None
    for step in range(6):
        with torch.no_grad():
            model.weight.fill_(float(step))
        mean.update_parameters(model)
        wanted = float(step) if wanted is None else decay * wanted + (1 - decay) * step
    assert math.isclose(float(mean.module.weight[0, 0]), wanted or 0.0, rel_tol=1e-6)


def test_balanced_weights_are_scikit_learns():
    from sklearn.utils.class_weight import compute_class_weight

    digits = load("digits")
    assert isinstance(digits.train, TensorSplit)
    labels = digits.train.labels.numpy()
    wanted = compute_class_weight("balanced", classes=np.arange(10), y=labels)
    assert torch.allclose(class_weights(digits), torch.tensor(wanted).float())


def test_a_builder_that_never_repeats_is_refused():
    counter = iter(range(100))

    def build() -> nn.Module:
        torch.rand(next(counter))
        return nn.Sequential(*(nn.Linear(2, 2) for _ in range(next(counter))))

    with pytest.raises(RuntimeError, match="every time"):
        paired(build, 0)
