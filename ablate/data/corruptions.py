"""The changes of `ablate.data.shifts`: an image, float32 `(C, H, W)` in 0..1, and a strength make another.

Strengths that are lengths are shares of the image's shorter side. What leaves 0..1 is cut off by the caller.
"""

from __future__ import annotations

import io
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ablate.errors import AblateError


def gaussian_noise(image: Tensor, strength: float, draws: torch.Generator) -> Tensor:
    """Normal noise of that standard deviation on every value."""
    return image + strength * torch.randn(image.shape, generator=draws)


def shot_noise(image: Tensor, strength: float, draws: torch.Generator) -> Tensor:
    """Counted light: `1 / strength` photons are white."""
    return torch.poisson(image / strength, generator=draws) * strength


def impulse_noise(image: Tensor, strength: float, draws: torch.Generator) -> Tensor:
    """That share of the values is black or white."""
    place = torch.rand(image.shape, generator=draws)
    return torch.where(place < strength, (place < strength / 2).to(image), image)


def gaussian_blur(image: Tensor, strength: float, draws: torch.Generator) -> Tensor:
    """A Gaussian of that standard deviation."""
    sigma = strength * _side(image)
    reach = max(1, math.ceil(3 * sigma))
    x = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-(x**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    padded = F.pad(image[:, None], (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))[:, 0]


def motion_blur(image: Tensor, strength: float, draws: torch.Generator) -> Tensor:
    """The mean along a line of that length, in a random direction."""
    length = strength * _side(image)
    angle = math.pi * float(torch.rand((), generator=draws))
    steps = 2 * max(1, math.ceil(length)) + 1
    total = torch.zeros_like(image)
    for step in range(steps):
        way = length * (step / (steps - 1) - 0.5)
        total += _moved(image, way * math.cos(angle), way * math.sin(angle))
    return total / steps


def pixelate(image: Tensor, strength: float, draws: torch.Generator) -> Tensor:
    """Reduced to that share of its side by area, and enlarged by repetition."""
    height, width = image.shape[1:]
    small = max(1, round(height * strength)), max(1, round(width * strength))
    return F.interpolate(F.adaptive_avg_pool2d(image[None], small), (height, width), mode="nearest-exact")[0]


def brightness(image: Tensor, strength: float, draws: torch.Generator) -> Tensor:
    """Brighter by that much."""
    return image + strength


def darkness(image: Tensor, strength: float, draws: torch.Generator) -> Tensor:
    """Multiplied by that much."""
    return image * strength


def contrast(image: Tensor, strength: float, draws: torch.Generator) -> Tensor:
    """Distances from the image's mean, multiplied by that much."""
    mean = image.mean()
    return mean + (image - mean) * strength


def fog(image: Tensor, strength: float, draws: torch.Generator) -> Tensor:
    """Mixed with a light and cloudy grey, of which it gets that share."""
    clouds = torch.zeros(1, 1, *image.shape[1:])
    for level in range(1, 5):
        patches = torch.rand((1, 1, 2**level, 2**level), generator=draws)
        clouds += (
            F.interpolate(patches, tuple(image.shape[1:]), mode="bilinear", align_corners=False) / 2**level
        )
    return image * (1 - strength) + strength * (0.5 + 0.5 * clouds[0] / clouds.max())


def jpeg(image: Tensor, strength: float, draws: torch.Generator) -> Tensor:
    """Saved as JPEG with that quality. Raises `AblateError` for images with neither 1 nor 3 channels."""
    from PIL import Image

    if image.shape[0] not in (1, 3):
        raise AblateError(f"JPEG has 1 or 3 channels, and these images have {image.shape[0]}")
    pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
    stream = io.BytesIO()
    Image.fromarray(pixels[..., 0] if image.shape[0] == 1 else pixels).save(
        stream, "jpeg", quality=round(strength)
    )
    with Image.open(stream) as decoded:
        levels = torch.from_numpy(np.array(decoded)).float() / 255
    return levels[None] if levels.ndim == 2 else levels.permute(2, 0, 1)


def posterize(image: Tensor, strength: float, draws: torch.Generator) -> Tensor:
    """That many levels a channel."""
    return (image * (strength - 1)).round() / (strength - 1)


def occlude(image: Tensor, strength: float, draws: torch.Generator) -> Tensor:
    """A grey square of that side, anywhere inside."""
    height, width = image.shape[1:]
    side = max(1, round(strength * _side(image)))
    top, left = (int(torch.randint(size - side + 1, (), generator=draws)) for size in (height, width))
    image = image.clone()
    image[:, top : top + side, left : left + side] = 0.5
    return image


def translate(image: Tensor, strength: float, draws: torch.Generator) -> Tensor:
    """Moved by that much in a random direction; the border is repeated."""
    angle = 2 * math.pi * float(torch.rand((), generator=draws))
    way = strength * _side(image)
    return _moved(image, way * math.cos(angle), way * math.sin(angle))


def rotate(image: Tensor, strength: float, draws: torch.Generator) -> Tensor:
    """Turned by that many degrees, to the left or to the right, about the centre."""
    left = bool(torch.rand((), generator=draws) < 0.5)
    return _warped(image, math.radians(strength if left else -strength), 1.0)


def shrink(image: Tensor, strength: float, draws: torch.Generator) -> Tensor:
    """At that share of its size, in the middle; the border is repeated."""
    return _warped(image, 0.0, 1 / strength)


def _side(image: Tensor) -> int:
    return min(image.shape[1:])


def _moved(image: Tensor, right: float, down: float) -> Tensor:
    height, width = image.shape[1:]
    matrix = torch.tensor([[1, 0, -2 * right / width], [0, 1, -2 * down / height]], dtype=torch.float32)
    return _sampled(image, matrix)


def _warped(image: Tensor, angle: float, scale: float) -> Tensor:
    height, width = image.shape[1:]
    sine, cosine, ratio = scale * math.sin(angle), scale * math.cos(angle), height / width
    return _sampled(image, torch.tensor([[cosine, sine * ratio, 0], [-sine / ratio, cosine, 0]]))


def _sampled(image: Tensor, matrix: Tensor) -> Tensor:
    grid = F.affine_grid(matrix[None], [1, *image.shape], align_corners=False)
    return F.grid_sample(image[None], grid, "bilinear", "border", align_corners=False)[0]
