import pytest
import torch

from ablate.data import load
from ablate.layout import Layout
from ablate.runners.accuracy import AccuracyProtocol, train
from ablate.runners.token_head import TokenClassifier, network_for

PLAIN = {"stem": "patchify", "widths": [16], "depths": [1], "heads": [2], "mlp_ratio": 1, "ffn": "mlp"}


def test_labels_say_which_head():
    layout = Layout("conv", **PLAIN)
    assert not isinstance(network_for(layout, load("digits")), TokenClassifier)
    assert not isinstance(network_for(layout, load("position(test_images=4)")), TokenClassifier)
    reach = load("reach(distances=[1, 2], test_images=4)")
    model = network_for(layout, reach)
    pixels = reach.to_input(reach.test.images)  # type: ignore[union-attr]
    assert model(pixels).shape == (4, 6, 2, 16, 16)
    recall = load("recall(test_images=4)")
    assert network_for(layout, recall)(torch.zeros(1, 3, 48, 48)).shape == (1, 8, 12, 12)


def test_a_token_answers_for_itself():
    """With a mixer that mixes nothing, an answer depends on its own patch alone."""
    dataset = load("reach(distances=[1], test_images=2)")
    model = network_for(Layout("identity", **PLAIN), dataset).eval()
    x = torch.randn(1, dataset.channels, 64, 64)
    changed = x.clone()
    changed[:, :, 20:24, 40:44] += 1
    different = (model(x) != model(changed)).any(1)[0]
    assert different.nonzero().tolist() == [[5, 10]]


def test_backbones_of_timm():
    """The last stage is resized to the label grid: stride 32 gives 2 x 2 tokens of 64 x 64 pixels."""
    dataset = load("recall(size=8, cell=8, test_images=2)")
    network = network_for(Layout("timm:resnet10t"), dataset)
    pixels = dataset.to_input(dataset.test.images)  # type: ignore[union-attr]
    assert network(pixels).shape == (2, 8, 8, 8)


def test_an_operator_that_sees_one_cell_is_at_chance():
    dataset = load("reach(distances=[1, 3], test_images=100)")
    result = train(
        lambda: network_for(Layout("identity", **PLAIN), dataset),
        dataset,
        AccuracyProtocol(images=320, batch=32, precision="fp32"),
    )
    assert set(result.groups) == {"d=1", "d=3"}
    assert result.top1 == pytest.approx(100 / 6, abs=2)
    assert result.images_seen == 320
    assert result.augmentation == {"shift": 0, "flip": False, "erase": 0}
