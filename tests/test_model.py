"""A layout becomes the network that it describes."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

import blocks
from ablate import Layout
from ablate.errors import AblateError
from ablate.model import Backbone, build_part, parts
from ablate.study.load import load_study
from ablate.study.shipped import shipped_studies

SMALL = {"widths": [16, 32, 48], "depths": [2, 1, 2], "head_dim": 8}


def params(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def on_meta(layout: Layout, classes: int = 1000) -> nn.Module:
    with torch.device("meta"):
        return layout.build(classes)


@pytest.mark.parametrize(
    ("name", "size", "budget"),
    [
        ("linglo-b0", 3_399_769, 3_398_680),
        ("linglo-b1", 13_100_281, 13_087_928),
        ("linglo-b2", 25_378_888, 25_394_535),
    ],
)
def test_linglo_has_its_size(name: str, size: int, budget: int) -> None:
    layout = load_study(shipped_studies()["linglo"]).layouts[name]
    with torch.device("meta"):
        counted = params(layout.build(1000))
    assert counted == size
    assert counted == pytest.approx(budget, rel=1e-3)


@pytest.mark.parametrize("name", ["pvt_v2_b0", "resnet18", "swin_tiny_patch4_window7_224"])
def test_a_timm_layout_is_timms_model(name: str) -> None:
    with torch.device("meta"):
        theirs = timm.create_model(name, num_classes=7)
    assert params(on_meta(Layout(f"timm:{name}"), classes=7)) == params(theirs)


def test_the_chain_is_named_in_order() -> None:
    layout = Layout("alternate(conv, softmax)", **SMALL)
    assert [name for name, _ in parts(layout)] == [
        "stem",
        "stage1.block1",
        "stage1.block2",
        "stage2.downsample",
        "stage2.block1",
        "stage3.downsample",
        "stage3.block1",
        "stage3.block2",
        "head",
    ]


def test_the_model_is_the_sum_of_its_parts() -> None:
    layout = Layout("alternate(conv, key_only)", **SMALL)
    with torch.device("meta"):
        separate = [params(build_part(part)) for _, part in parts(layout, 3, 10)]
    assert params(on_meta(layout, classes=10)) == sum(separate)


def test_running_the_parts_one_by_one_is_running_the_model() -> None:
    torch.manual_seed(0)
    model = Layout("alternate(conv, softmax)", **SMALL).build(10).eval()
    assert isinstance(model, Backbone)
    x = torch.randn(2, 3, 40, 36)
    y = x
    for part in model.chain():
        y = part(y)
    assert torch.equal(y, model(x))
    assert y.shape == (2, 10)


def test_features_have_the_announced_strides_and_channels() -> None:
    layout = Layout("conv", stem="overlap(stride=2)", downsample="patchify(stride=2)", **SMALL)
    model = layout.build(features_only=True)
    maps = model(torch.randn(1, 3, 32, 64))
    info = model.feature_info
    assert [entry["reduction"] for entry in info] == [2, 4, 8]
    assert [tuple(m.shape[1:]) for m in maps] == [
        (entry["num_chs"], 32 // entry["reduction"], 64 // entry["reduction"]) for entry in info
    ]
    assert not any("head" in name for name, _ in model.named_parameters())


def test_features_of_a_classifier_are_those_it_classifies() -> None:
    torch.manual_seed(0)
    model = Layout("conv", **SMALL).build(10).eval()
    x = torch.randn(1, 3, 32, 32)
    assert torch.equal(model.head(model.features(x)[-1]), model(x))


def test_stochastic_depth_grows_linearly() -> None:
    layout = Layout("conv", drop_path=0.2, **SMALL)
    rates = [part.drop_path for _, part in parts(layout) if part.kind == "block"]
    assert rates == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])


def test_timm_models_have_no_parts() -> None:
    layout = Layout("timm:resnet18")
    assert not isinstance(layout, Layout)
    assert layout.parts_used() == ()
    assert [tuple(line) for line in layout.outline()] == [("timm:resnet18", "", "", "")]


def test_signals_keep_their_scale_at_the_start() -> None:
    """Depthwise convolutions in particular: a fan-out that forgets the groups switches them off."""
    torch.manual_seed(0)
    model = Layout("conv", **SMALL).build(10).eval()
    x = torch.randn(1, 3, 32, 32)
    for part in model.chain():
        x = part(x)
        assert 0.005 < x.std() < 20


@pytest.mark.parametrize(
    ("name", "macs"),
    [("vit_tiny_patch16_224", 93_936_000), ("swin_tiny_patch4_window7_224", 424_552_320)],
)
def test_timm_models_of_one_size_are_made_for_the_resolution(name: str, macs: int) -> None:
    layout = Layout(f"timm:{name}")
    assert layout.cost(64, classes=10).macs == macs
    with torch.device("meta"):
        model = layout.build(10, resolution=64)
        assert model(torch.empty(2, 3, 64, 64)).shape == (2, 10)


def test_a_size_that_timm_refuses_is_named() -> None:
    with pytest.raises(AblateError, match=r"made for 224 x 224 px, .* for 100 x 100: .*divide"):
        Layout("timm:xcit_nano_12_p16_224").build(resolution=100)


def test_a_timm_model_has_timms_stride() -> None:
    assert Layout("timm:resnet18").total_stride == 32
    assert Layout("timm:vit_tiny_patch16_224").total_stride == 16


OWN = """
import torch
from torch import nn

import blocks


@blocks.register("mixer", "zeroed")
class Zeroed(nn.Module):
    \"\"\"A projection that starts at zero, by each of the ways people write it.\"\"\"

    def __init__(self, dim: int, resolution: tuple[int, int], *, way: str = "init"):
        super().__init__()
        self.proj, self.other = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.size = nn.Parameter(torch.zeros(*resolution))
        if way == "init":
            nn.init.zeros_(self.proj.weight)
        elif way == "data":
            self.proj.weight.data.zero_()
        self.way = way

    def init_weights(self):
        if self.way == "method":
            nn.init.zeros_(self.proj.weight)

    def forward(self, x):
        return self.proj(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) + self.size
"""


@pytest.fixture
def zeroed(tmp_path, monkeypatch):  # type: ignore[no-untyped-def]
    blocks.names("mixer")
    monkeypatch.setattr(blocks.registry, "_entries", dict(blocks.registry._entries))
    (tmp_path / "zeroed.py").write_text(OWN)
    blocks.load_file(tmp_path / "zeroed.py")


@pytest.mark.usefixtures("zeroed")
@pytest.mark.parametrize("way", ["init", "data", "method"])
def test_what_a_block_starts_itself_is_kept(way: str) -> None:
    model = Layout(f"zeroed(way={way})", widths=[16, 24], depths=[1, 1]).build(3, resolution=(64, 32))
    for stage in model.stages:
        mixer = stage["block1"].mixer
        assert not mixer.proj.weight.any()
        assert 0.015 < mixer.other.weight.std() < 0.025  # what it leaves alone starts as everywhere
        assert not mixer.other.bias.any()


@pytest.mark.usefixtures("zeroed")
def test_the_size_of_its_map_is_supplied() -> None:
    layout = Layout("zeroed", widths=[16, 24], depths=[1, 1])
    model = layout.build(3, resolution=(64, 32))
    assert [tuple(stage["block1"].mixer.size.shape) for stage in model.stages] == [(16, 8), (8, 4)]
    assert layout.cost(64).params - layout.cost(32).params == (16 * 16 + 8 * 8) - (8 * 8 + 4 * 4)


def test_the_deployed_form_gives_the_same_with_fewer_layers() -> None:
    torch.manual_seed(0)
    layout = Layout("repmixer", norm="batch", **SMALL)
    torch.manual_seed(1)
    model = layout.build(3, resolution=32).eval()
    torch.manual_seed(1)
    folded = layout.build(3, resolution=32, deploy=True)
    images = torch.randn(2, 3, 32, 32)
    assert torch.allclose(model(images), folded(images), atol=1e-5)
    assert len(list(folded.parameters())) < len(list(model.parameters()))
