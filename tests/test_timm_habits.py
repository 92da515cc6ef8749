"""A built layout has the habits of timm's models, and other libraries take it."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import timm
import torch
from torchvision.ops import FeaturePyramidNetwork

from ablate import Layout
from ablate.errors import AblateError
from ablate.model import Backbone, build
from ablate.model.timm_register import register_layout, register_study

SMALL = {"widths": [16, 32, 48], "depths": [2, 1, 2], "head_dim": 8}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def model(text: str = "alternate(conv, softmax)", classes: int = 10, **options: object) -> Backbone:
    made = build(Layout(text, **SMALL), classes, **options)  # type: ignore[arg-type]
    assert isinstance(made, Backbone)
    return made.eval()


@pytest.mark.parametrize("head", ["norm_pool", "pool", "mlp(ratio=2)", "convolution(width=64) pool"])
def test_features_and_head_are_the_forward_pass(head: str) -> None:
    made = Layout("conv", **SMALL, head=head).build(10).eval()
    x = torch.randn(2, 3, 32, 32)
    last = made.forward_features(x)
    assert last.shape[:2] == (2, made.num_features)
    assert torch.equal(made.forward_head(last), made(x))
    pooled = made.forward_head(last, pre_logits=True)
    assert pooled.shape == (2, made.head_hidden_size)
    assert torch.equal(made.get_classifier()(pooled), made(x))


def test_the_classifier_is_made_anew() -> None:
    made, x = model(), torch.randn(2, 3, 32, 32)
    assert (made.num_classes, made.in_chans, made.num_features) == (10, 3, 48)
    made.reset_classifier(4)
    assert (made.num_classes, made(x).shape) == (4, (2, 4))
    made.reset_classifier(0)
    assert torch.equal(made(x), made.forward_head(made.forward_features(x), pre_logits=True))
    assert model(classes=0)(x).shape == (2, 48)


def test_features_of_some_stages() -> None:
    made = model(features_only=True, out_indices=(0, -1))
    maps = made(torch.randn(1, 3, 64, 32))
    assert [tuple(m.shape) for m in maps] == [(1, 16, 16, 8), (1, 48, 4, 2)]
    assert made.feature_info.channels() == [16, 48]
    assert made.feature_info.reduction() == [4, 16]
    assert made.feature_info.module_name() == ["stages.0", "stages.2"]
    assert made.feature_info.channels(1) == 32
    first = model(features_only=True, out_indices=[0])
    assert len(first.stages) == 1  # what is not asked for is not built
    with pytest.raises(AblateError, match="no stage 3"):
        model(features_only=True, out_indices=[3])
    with pytest.raises(AblateError, match="no classifier"):
        made.reset_classifier(3)


def test_timm_creates_a_registered_layout() -> None:
    name = register_layout(Layout("conv", **SMALL, name="own-layout"))
    assert name == "own_layout"
    made = timm.create_model(name, num_classes=7, in_chans=1, drop_path_rate=0.1)
    assert made(torch.randn(2, 1, 32, 32)).shape == (2, 7)
    maps = timm.create_model(name, features_only=True, out_indices=(1, 2))(torch.randn(1, 3, 32, 32))
    assert [m.shape[1] for m in maps] == [32, 48]
    assert name in timm.list_models("own_*")
    with pytest.raises(AblateError, match="no weights"):
        timm.create_model(name, pretrained=True)
    with pytest.raises(AblateError, match="already"):
        register_layout(Layout("conv"), "resnet18")


def test_the_shipped_family_is_registered_by_its_study() -> None:
    assert register_study("linglo") == ("linglo_b0", "linglo_b1", "linglo_b2")
    with torch.device("meta"):
        made = timm.create_model("linglo_b0", num_classes=0)
    assert made.num_features == 256
    assert register_study("backbones") == ()  # these are timm's own names


def test_a_feature_pyramid_takes_its_maps() -> None:
    made = model(features_only=True)
    pyramid = FeaturePyramidNetwork(made.feature_info.channels(), 8)
    maps = OrderedDict((str(i), m) for i, m in enumerate(made(torch.randn(1, 3, 64, 64))))
    assert [tuple(m.shape[1:]) for m in pyramid(maps).values()] == [(8, 16, 16), (8, 8, 8), (8, 4, 4)]


def test_it_is_exported_for_any_batch_and_size() -> None:
    made = model("conv{norm=batch} key_only | conv & pool | softmax{ffn=swiglu, norm=rms}")
    batch, height, width = (torch.export.Dim(name, min=2, max=64) for name in ("batch", "height", "width"))
    x = torch.randn(2, 3, 64, 96)
    shapes = {0: batch, 2: 16 * height, 3: 16 * width}
    program = torch.export.export(made, (x,), dynamic_shapes=(shapes,))
    other = torch.randn(3, 3, 48, 80)
    torch.testing.assert_close(program.module()(other), made(other), rtol=1e-4, atol=1e-5)


def test_weights_that_cannot_be_had_are_an_error_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: object, **options: object) -> None:
        raise OSError("cannot find the file locally\nand the network is out of reach")

    monkeypatch.setattr("timm.models._builder.load_pretrained", offline)
    with pytest.raises(AblateError) as caught:
        Layout("timm:resnet18").build(pretrained=True)
    assert str(caught.value) == ("the weights of 'resnet18' cannot be loaded: cannot find the file locally")
    with pytest.raises(AblateError, match="timm has no weights for 'coatnet_0_224'"):
        Layout("timm:coatnet_0_224").build(pretrained=True)
