"""ImageNet recipes by name, complete, each term from the file that published it.

* `deit300`: facebookresearch/deit, `main.py` (Touvron et al. 2021, arXiv 2012.12877), 16 x 64 images.
* `pvtv2-300`: whai362/PVT, `classification/main.py` and `configs/pvt_v2` (Wang et al. 2022, arXiv
  2106.13797), 8 x 128 images.
* `poolformer-300`: sail-sg/poolformer, `train.py` (Yu et al. 2022, arXiv 2111.11418), 8 x 128 images.
* `rsb-a3`: Wightman et al. 2021, arXiv 2110.00476, table 2, procedure A3.

They differ from their files in one thing: arithmetic is float32 or bfloat16, never float16 with a loss scale.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, cast

import torch
from torch import nn
from torch.optim import Optimizer

from ablate.errors import AblateError, did_you_mean
from ablate.layout.layout import Layout
from ablate.layout.network import Network
from ablate.layout.timm_model import TimmModel


@dataclass(frozen=True)
class ImageNetRecipe:
    """One way of training on ImageNet. The peak rate is `lr` x batch / `lr_batch`.

    Rates are set once an epoch: linear over `warmup_epochs` from `warmup_lr`, then a cosine that would reach
    `min_lr` at `epochs`. `cooldown_epochs` at `min_lr` follow where the published loop runs them. `lag` is
    how many epochs its loop is late: 1 where it steps the schedule after an epoch by that epoch's own number.
    `drop_path` holds rates by timm's name of the model; the empty name is for all others.
    """

    name: str
    epochs: int
    batch: int
    optimizer: Literal["adamw", "lamb"]
    lr: float
    lr_batch: int
    weight_decay: float
    warmup_lr: float
    min_lr: float
    color_jitter: float  # timm leaves it out where there is an `auto_augment`
    auto_augment: str
    interpolation: str  # of training images
    erasing: float
    mixup: float
    cutmix: float
    smoothing: float
    repeats: int  # copies of an image in an epoch of the same number of images; 1 is plain
    drop_path: dict[str, float]
    warmup_epochs: int = 5
    cooldown_epochs: int = 0
    lag: int = 0
    eps: float | None = None  # None: the optimizer's own
    clip_grad: dict[str, float | None] = field(default_factory=lambda: {"": None})
    ema: float | None = None
    loss: Literal["soft-target", "binary"] = "soft-target"
    target_threshold: float | None = None
    mixup_prob: float = 1.0
    switch_prob: float = 0.5
    erasing_mode: str = "pixel"
    erasing_count: int = 1
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    hflip: float = 0.5
    train_size: int = 224
    test_size: int = 224
    crop: float = 0.875  # of the shorter side, at test time
    test_interpolation: str = "bicubic"

    @property
    def all_epochs(self) -> int:
        """Epochs that are run, cool-down included."""
        return self.epochs + self.cooldown_epochs

    def peak_lr(self, batch: int) -> float:
        """The peak rate at a global batch, by the recipe's linear rule."""
        return self.lr * batch / self.lr_batch

    def for_model(self, table: dict[str, Any], layout: Network) -> Any:
        """The entry of `drop_path` or `clip_grad` for a layout: by its timm name, else the one for all."""
        return table.get(layout.model if isinstance(layout, TimmModel) else "", table[""])

    def make_optimizer(self, model: nn.Module, batch: int) -> Optimizer:
        """timm's optimizer; vectors, and what the model names in `no_weight_decay`, are not decayed."""
        from timm import optim

        options: dict[str, Any] = {} if self.eps is None else {"eps": self.eps}
        made: Optimizer = cast(Any, optim).create_optimizer_v2(
            model, opt=self.optimizer, lr=self.peak_lr(batch), weight_decay=self.weight_decay, **options
        )
        return made

    def rates(self, batch: int) -> list[float]:
        """The learning rate of every epoch, by timm's scheduler."""
        from timm.scheduler.scheduler_factory import create_scheduler_v2

        weight = nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([weight], lr=self.peak_lr(batch))
        scheduler, _ = create_scheduler_v2(
            optimizer,
            sched="cosine",
            num_epochs=self.epochs,
            cooldown_epochs=self.cooldown_epochs,
            warmup_epochs=self.warmup_epochs,
            warmup_lr=self.warmup_lr,
            min_lr=self.min_lr,
        )
        curve = []
        for epoch in range(self.all_epochs):
            scheduler.step(max(0, epoch - self.lag))
            curve.append(float(optimizer.param_groups[0]["lr"]))
        return curve

    def criterion(self) -> nn.Module:
        """The training loss; mixed labels are soft, and smoothed by the mixing."""
        from timm.loss.binary_cross_entropy import BinaryCrossEntropy
        from timm.loss.cross_entropy import SoftTargetCrossEntropy

        if self.loss == "binary":
            return BinaryCrossEntropy(smoothing=self.smoothing, target_threshold=self.target_threshold)
        return SoftTargetCrossEntropy()  # type: ignore[no-untyped-call]

    def mixer(self, classes: int) -> Any:
        """timm's `Mixup`, which also makes labels soft."""
        from timm.data.mixup import Mixup

        return Mixup(  # type: ignore[no-untyped-call]
            mixup_alpha=self.mixup,
            cutmix_alpha=self.cutmix,
            prob=self.mixup_prob,
            switch_prob=self.switch_prob,
            mode="batch",
            label_smoothing=self.smoothing,
            num_classes=classes,
        )

    def transform(self, training: bool) -> Any:
        """timm's transform of an image, for training or for the test."""
        from timm.data.transforms_factory import create_transform

        if not training:
            return create_transform(self.test_size, interpolation=self.test_interpolation, crop_pct=self.crop)
        pipeline = create_transform(
            self.train_size,
            is_training=True,
            scale=self.scale,
            ratio=self.ratio,
            hflip=self.hflip,
            color_jitter=self.color_jitter,
            auto_augment=self.auto_augment,
            interpolation=self.interpolation,
            re_prob=self.erasing,
            re_mode=self.erasing_mode,
            re_count=self.erasing_count,
        )
        for step in pipeline.transforms:
            for operation in getattr(step, "ops", ()):
                if operation.name.startswith("Posterize"):
                    operation.aug_fn = posterize
        return pipeline


_TRANSFORMER: dict[str, Any] = {
    "epochs": 300,
    "batch": 1024,
    "optimizer": "adamw",
    "weight_decay": 0.05,
    "warmup_lr": 1e-6,
    "min_lr": 1e-5,
    "auto_augment": "rand-m9-mstd0.5-inc1",
    "erasing": 0.25,
    "mixup": 0.8,
    "cutmix": 1.0,
    "smoothing": 0.1,
}

RECIPES: dict[str, ImageNetRecipe] = {
    # its arguments name 10 epochs of cool-down too, but its loop ends at 300
    "deit300": ImageNetRecipe(
        "deit300",
        **_TRANSFORMER,
        lr=5e-4,
        lr_batch=512,
        color_jitter=0.3,
        interpolation="bicubic",
        repeats=3,
        drop_path={"": 0.1},
        ema=0.99996,
        eps=1e-8,
        lag=1,
    ),
    "pvtv2-300": ImageNetRecipe(
        "pvtv2-300",
        **_TRANSFORMER,
        lr=5e-4,
        lr_batch=512,
        color_jitter=0.4,
        interpolation="bicubic",
        repeats=3,
        drop_path={"": 0.1, "pvt_v2_b3": 0.3, "pvt_v2_b4": 0.3, "pvt_v2_b5": 0.3},
        clip_grad={"": None, "pvt_v2_b3": 1.0, "pvt_v2_b4": 1.0, "pvt_v2_b5": 1.0},
        eps=1e-8,
        lag=1,
    ),
    "poolformer-300": ImageNetRecipe(
        "poolformer-300",
        **_TRANSFORMER,
        lr=1e-3,
        lr_batch=1024,
        color_jitter=0.4,
        interpolation="random",
        repeats=1,
        drop_path={"": 0.1, "poolformer_s36": 0.2, "poolformer_m36": 0.3, "poolformer_m48": 0.4},
        cooldown_epochs=10,
        crop=0.9,
    ),
    "rsb-a3": ImageNetRecipe(
        "rsb-a3",
        epochs=100,
        batch=2048,
        optimizer="lamb",
        lr=8e-3,
        lr_batch=2048,
        weight_decay=0.02,
        warmup_lr=1e-4,
        min_lr=1e-6,
        color_jitter=0.4,
        auto_augment="rand-m6-mstd0.5-inc1",
        interpolation="random",
        erasing=0.0,
        mixup=0.1,
        cutmix=1.0,
        smoothing=0.0,
        repeats=1,
        drop_path={"": 0.0},
        loss="binary",
        target_threshold=0.2,
        train_size=160,
        test_size=224,
        crop=0.95,
    ),
}


def imagenet_recipe(name: str) -> ImageNetRecipe:
    """The recipe of this name. Raises `AblateError` for an unknown one."""
    if name not in RECIPES:
        raise AblateError(f"unknown ImageNet recipe {name!r}{did_you_mean(name, tuple(RECIPES))}")
    return RECIPES[name]


def posterize(image: Any, bits: int, **_: Any) -> Any:
    """A PIL image with that many bits a channel; black with none.

    RandAugment asks for none at its highest magnitude, which Pillow answered with a black image when the
    recipes were published, and answers with an error since version 13.
    """
    from PIL import Image, ImageOps

    return Image.new(image.mode, image.size) if bits < 1 else ImageOps.posterize(image, min(bits, 8))


def build_classifier(layout: Network, recipe: ImageNetRecipe, classes: int) -> nn.Module:
    """A layout or timm model with the recipe's stochastic depth; a layout's own `drop_path` goes first.

    Raises `AblateError` when timm cannot build the model or a block refuses its size.
    """
    rate = recipe.for_model(recipe.drop_path, layout)
    try:
        if isinstance(layout, TimmModel):
            import timm

            options = {"drop_path_rate": rate} if rate else {}
            model: nn.Module = timm.create_model(layout.model, num_classes=classes, **options)
            return model
        from ablate.model import build

        assert isinstance(layout, Layout)
        return build(layout if layout.drop_path else layout.replace(drop_path=rate), classes)
    except (RuntimeError, TypeError, ValueError) as error:
        raise AblateError(f"{layout.name}: {error}") from error


def drop_paths(model: nn.Module) -> list[float]:
    """The stochastic depth rate of every residual branch that has one, in the order of the modules."""
    probabilities = []
    for module in model.modules():
        rate = getattr(module, "drop_prob", None)
        if "DropPath" in type(module).__name__ and rate is not None:
            probabilities.append(float(rate))
    return probabilities
