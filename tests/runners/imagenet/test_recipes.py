"""The recipes term by term against what was published, and their schedules against golden files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torchvision import transforms

from ablate.errors import AblateError
from ablate.layout.layout import Layout
from ablate.runners.imagenet.recipes import RECIPES, build_classifier, drop_paths, imagenet_recipe

GOLDEN = Path(__file__).parent / "golden.json"
MODELS = {
    "deit300": ["deit_tiny_patch16_224"],
    "pvtv2-300": ["pvt_v2_b0"],
    "poolformer-300": ["poolformer_s12"],
    "rsb-a3": ["resnet50"],
}

COMMON = {
    "epochs": 300,
    "batch": 1024,
    "optimizer": "adamw",
    "weight_decay": 0.05,
    "warmup_lr": 1e-6,
    "min_lr": 1e-5,
    "warmup_epochs": 5,
    "auto_augment": "rand-m9-mstd0.5-inc1",
    "erasing": 0.25,
    "erasing_mode": "pixel",
    "erasing_count": 1,
    "mixup": 0.8,
    "cutmix": 1.0,
    "mixup_prob": 1.0,
    "switch_prob": 0.5,
    "smoothing": 0.1,
    "loss": "soft-target",
    "train_size": 224,
    "test_size": 224,
    "test_interpolation": "bicubic",
}
# the defaults of the published scripts, with the arguments that their pages give
PUBLISHED: dict[str, dict[str, Any]] = {
    "deit300": COMMON
    | {"lr": 5e-4, "lr_batch": 512, "color_jitter": 0.3, "interpolation": "bicubic", "repeats": 3}
    | {"ema": 0.99996, "eps": 1e-8, "cooldown_epochs": 0, "lag": 1, "crop": 0.875, "drop_path": {"": 0.1}},
    "pvtv2-300": COMMON
    | {"lr": 5e-4, "lr_batch": 512, "color_jitter": 0.4, "interpolation": "bicubic", "repeats": 3}
    | {"ema": None, "eps": 1e-8, "cooldown_epochs": 0, "lag": 1, "crop": 0.875},
    "poolformer-300": COMMON
    | {"lr": 1e-3, "lr_batch": 1024, "color_jitter": 0.4, "interpolation": "random", "repeats": 1}
    | {"ema": None, "eps": None, "cooldown_epochs": 10, "lag": 0, "crop": 0.9},
    "rsb-a3": {"epochs": 100, "batch": 2048, "optimizer": "lamb", "lr": 8e-3, "lr_batch": 2048}
    | {"weight_decay": 0.02, "warmup_epochs": 5, "warmup_lr": 1e-4, "min_lr": 1e-6, "cooldown_epochs": 0}
    | {"auto_augment": "rand-m6-mstd0.5-inc1", "erasing": 0.0, "mixup": 0.1, "cutmix": 1.0, "smoothing": 0.0}
    | {"loss": "binary", "target_threshold": 0.2, "repeats": 1, "train_size": 160, "test_size": 224}
    | {"crop": 0.95, "ema": None, "drop_path": {"": 0.0}, "interpolation": "random"},
}


@pytest.mark.parametrize("name", RECIPES)
def test_terms(name: str) -> None:
    recipe = vars(imagenet_recipe(name))
    assert {key: recipe[key] for key in PUBLISHED[name]} == PUBLISHED[name]


def closed_form(name: str, epoch: int) -> float:
    """The rate of an epoch as the papers say it."""
    recipe = RECIPES[name]
    peak = {"deit300": 1e-3, "pvtv2-300": 1e-3, "poolformer-300": 1e-3, "rsb-a3": 8e-3}[name]
    t = max(0, epoch - recipe.lag)
    if t < 5:
        return recipe.warmup_lr + (peak - recipe.warmup_lr) * t / 5
    if t >= recipe.epochs:
        return recipe.min_lr
    return recipe.min_lr + (peak - recipe.min_lr) * (1 + math.cos(math.pi * t / recipe.epochs)) / 2


def schedules() -> dict[str, Any]:
    by_recipe: dict[str, Any] = {}
    for name, models in MODELS.items():
        recipe = RECIPES[name]
        with torch.device("cpu"):
            paths = {
                model: [
                    round(rate, 6)
                    for rate in drop_paths(build_classifier(Layout(f"timm:{model}"), recipe, 10))
                ]
                for model in models
            }
        by_recipe[name] = {
            "learning_rate": [float(f"{rate:.12g}") for rate in recipe.rates(recipe.batch)],
            "drop_path": paths,
        }
    return by_recipe


def test_rates_and_drop_paths_are_the_golden_ones() -> None:
    """Written by `python tests/runners/imagenet/test_recipes.py`."""
    assert schedules() == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("name", RECIPES)
def test_golden_rates_follow_the_closed_form(name: str) -> None:
    golden = json.loads(GOLDEN.read_text())[name]["learning_rate"]
    assert len(golden) == {"poolformer-300": 310, "rsb-a3": 100}.get(name, 300)
    for epoch, rate in enumerate(golden):
        assert rate == pytest.approx(closed_form(name, epoch), rel=1e-9)


OWN = [
    ("pvtv2-300", "pvt_v2_b3"),
    ("pvtv2-300", "pvt_v2_b5"),
    ("poolformer-300", "poolformer_s36"),
    ("poolformer-300", "poolformer_m36"),
    ("poolformer-300", "poolformer_m48"),
]


def test_drop_path_grows_to_the_published_rate() -> None:
    golden = json.loads(GOLDEN.read_text())
    for name, model, most in [("pvtv2-300", "pvt_v2_b0", 0.1), ("poolformer-300", "poolformer_s12", 0.1)]:
        rates = golden[name]["drop_path"][model]
        assert max(rates) == most == rates[-1]
        assert rates == sorted(rates)
    assert golden["rsb-a3"]["drop_path"]["resnet50"] == []
    tables = [
        RECIPES[name].for_model(RECIPES[name].drop_path, Layout(f"timm:{model}")) for name, model in OWN
    ]
    assert tables == [0.3, 0.3, 0.2, 0.3, 0.4]
    layout = Layout("conv", widths=[8, 8], depths=[2, 1])
    assert drop_paths(build_classifier(layout, RECIPES["pvtv2-300"], 10))[-1] == 0.1
    own = layout.replace(drop_path=0.3)
    assert drop_paths(build_classifier(own, RECIPES["pvtv2-300"], 10))[-1] == 0.3


def test_the_rate_follows_the_batch() -> None:
    assert RECIPES["deit300"].peak_lr(256) == 2.5e-4
    assert max(RECIPES["poolformer-300"].rates(512)) == pytest.approx(5e-4, rel=1e-3)


def test_optimizers_do_not_decay_vectors() -> None:
    model = build_classifier(Layout("timm:resnet18"), RECIPES["rsb-a3"], 10)
    optimizer = RECIPES["rsb-a3"].make_optimizer(model, 2048)
    assert type(optimizer).__name__ == "Lamb"
    decays = {p.ndim > 1: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert decays == {True: 0.02, False: 0.0}


def test_transforms_hold_the_terms() -> None:
    steps = RECIPES["deit300"].transform(True).transforms
    names = [type(step).__name__ for step in steps]
    assert names[:3] == ["RandomResizedCropAndInterpolation", "RandomHorizontalFlip", "RandAugment"]
    assert names[-1] == "RandomErasing"
    assert steps[-1].probability == 0.25
    assert steps[2].ops[0].magnitude == 9
    assert type(RECIPES["rsb-a3"].transform(True).transforms[-1]).__name__ != "RandomErasing"
    test = RECIPES["rsb-a3"].transform(False).transforms
    assert isinstance(test[0], transforms.Resize)
    assert test[0].size == math.floor(224 / 0.95)


def test_no_bits_are_black() -> None:
    """RandAugment's highest magnitude, which Pillow refuses: a run must not end there after hours."""
    image = Image.new("RGB", (4, 4), (200, 100, 50))
    steps = RECIPES["deit300"].transform(True).transforms
    (operation,) = [op for op in steps[2].ops if op.name.startswith("Posterize")]
    assert operation.aug_fn(image, 0).getextrema() == ((0, 0),) * 3
    assert operation.aug_fn(image, 1).getpixel((0, 0)) == (128, 0, 0)
    assert operation.aug_fn(image, 8).getpixel((0, 0)) == (200, 100, 50)


def test_unknown_recipe() -> None:
    with pytest.raises(AblateError, match="did you mean 'deit300'"):
        imagenet_recipe("deit-300")


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(schedules(), indent=1) + "\n")
