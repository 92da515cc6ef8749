"""The ImageNet recipes of this line of work, from timm's pieces; runs that go on after a kill, on one or more
processes."""

from ablate.runners.imagenet.recipes import RECIPES, ImageNetRecipe, imagenet_recipe
from ablate.runners.imagenet.train import run_imagenet

__all__ = [
    "RECIPES",
    "ImageNetRecipe",
    "imagenet_recipe",
    "run_imagenet",
]
