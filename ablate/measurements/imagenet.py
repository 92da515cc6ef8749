"""`imagenet`: top-1 on ImageNet by a published recipe, complete, each layout by its own where it has one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, Strict, StrictBool

from ablate.errors import AblateError, did_you_mean
from ablate.layout.settings import Count, Model
from ablate.measurements.auto_seeds import MOST_SEEDS
from ablate.measurements.base import Measurement, Scope
from ablate.measurements.fields import Device, Precision, Text
from ablate.measurements.register import register
from ablate.measurements.values import Values
from ablate.quantities import Quantity

RecipeName: TypeAlias = Literal["deit300", "pvtv2-300", "poolformer-300", "rsb-a3"]


class ImageNetProtocol(Model):
    """How a recipe is run. None of this changes what is published but `batch`, by which the rate is scaled.

    A global batch is worked off in `accumulate` parts by each of `processes`.
    """

    data: Text | None = Field(
        default=None,
        description="A folder with train/CLASS/*.JPEG and val/CLASS/*.JPEG, or a name of timm's readers as "
        "hfds/NAME; default: the folder in the environment's IMAGENET.",
    )
    batch: Count | None = Field(default=None, description="Images in a global batch; default: the recipe's.")
    accumulate: Count = Field(default=1, description="Parts in which a process works off its share of it.")
    precision: Precision = Field(default="bf16", description="bf16 autocast or fp32.")
    channels_last: StrictBool = Field(default=True, description="Tensors in channels-last memory format.")
    device: Device = Field(default="auto", description="cpu, cuda, cuda:1, or auto: CUDA where there is one.")
    workers: Annotated[int, Strict(), Field(ge=0, le=1024)] = Field(
        default=8, description="Processes that make training samples; they change the speed alone."
    )
    checkpoint_steps: Annotated[int, Strict(), Field(ge=1, le=10**9)] | None = Field(
        default=None, description="Keep the state every so many steps; default: after every epoch."
    )
    stop_after: Annotated[int, Strict(), Field(ge=1, le=10**9)] | None = Field(
        default=None, description="End after so many steps, to see that a run starts: its cell has no result."
    )
    check: StrictBool = Field(default=True, description="Decode every image once before training.")


class ImageNet(ImageNetProtocol):
    """Top-1 on ImageNet by a published recipe."""

    recipe: RecipeName = Field(description="The recipe of layouts that `recipes` does not name.")
    recipes: dict[Text, RecipeName] = Field(
        default_factory=dict, description="Recipes of single layouts: {resnet50: rsb-a3}."
    )
    seeds: Annotated[Count, Field(le=MOST_SEEDS)] = Field(
        default=1, description="Number of repetitions, with seeds 0, 1, 2, ..."
    )


class ImageNetCondition(ImageNetProtocol):
    """One training run. `layouts` are those that go by this recipe; it is no part of what is measured."""

    recipe: RecipeName
    seed: Annotated[int, Field(ge=0)] = 0
    checkpoint: Text | None = Field(default=None, exclude=True)
    layouts: tuple[str, ...] = Field(default=(), exclude=True)


@dataclass(frozen=True)
class ImageNetValues(Values):
    """What a run gave. Accuracies in percent on the validation images, times in seconds.

    `top1_ema` is of the averaged weights, where the recipe has them. `curve` has, for every epoch that was
    finished, its number from 1, its learning rate, and its mean training loss. `complete` is false when the
    run was told to stop early: such a number is no result, and no cell holds it.
    """

    top1: float
    top1_ema: float | None
    train_loss: float
    epochs: int
    steps: int
    images_seen: int
    seconds: float  # of training, resumed parts included
    images_per_s: float
    curve: list[tuple[int, float, float]]
    test_images: int
    classes: int
    world_size: int
    batch: int
    accumulate: int
    drop_path: list[float]
    recipe: dict[str, Any]
    complete: bool


def _conditions(settings: ImageNet, scope: Scope) -> Iterator[ImageNetCondition]:
    for name in settings.recipes:
        if name not in scope.layouts:
            hint = did_you_mean(name, scope.layouts)
            raise AblateError(f"imagenet: recipes: there is no layout {name!r}{hint}")
    shared = {name: getattr(settings, name) for name in ImageNetProtocol.model_fields}
    by_recipe: dict[RecipeName, list[str]] = {}
    for name in scope.layouts:
        by_recipe.setdefault(settings.recipes.get(name, settings.recipe), []).append(name)
    for recipe, names in by_recipe.items():
        for seed in range(settings.seeds):
            yield ImageNetCondition(**shared, recipe=recipe, seed=seed, layouts=tuple(names))


def _applies(condition: ImageNetCondition, layout: str) -> bool:
    return not condition.layouts or layout in condition.layouts


QUANTITIES = (
    Quantity(
        "imagenet_top1", "ImageNet top-1", "%",
        "Share of validation images whose most probable class is right, one centre crop, after the whole "
        "recipe. Mean over seeds with its 95 % interval (Student's t).",
        "top1", column="imagenet_top1_percent", digits=4, better="higher", repeats=True, stored="%",
        listed=False,
    ),
    Quantity(
        "imagenet_ema_top1", "ImageNet top-1, EMA", "%", "The same of the running mean of the weights.",
        "top1_ema", column="imagenet_ema_top1_percent", digits=4, better="higher", repeats=True,
        stored="%", listed=False,
    ),
    Quantity(
        "imagenet_hours", "ImageNet training", "h", "Wall time of the training, resumed parts included.",
        "seconds", column="imagenet_training_seconds", scale=3600, stored="s", repeats=True, listed=False,
    ),
)  # fmt: skip

IMAGENET = register(
    Measurement(
        name="imagenet",
        title="ImageNet by a published recipe",
        description="Top-1 on ImageNet by a published recipe.",
        settings=ImageNet,
        condition=ImageNetCondition,
        values=ImageNetValues,
        quantities=QUANTITIES,
        runner="ablate.runners.imagenet.train:run",
        where="alone",
        conditions=_conditions,
        applies=_applies,
        uses_input=False,  # channels and classes are the images'
        packages=("torchvision", "timm"),
        content="ablate.runners.imagenet.checks:content_of",
        inspect="ablate.runners.imagenet.checks:inspect_settings",
    )
)
