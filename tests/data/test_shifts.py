"""Changes of a test split: what they do, that they are repeatable, and that severities mean more of it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as torchvision

from ablate.data import Dataset, StreamSplit, TensorSplit, load
from ablate.data.shifts import SEVERITIES, SHIFTS, apply, at_resolution, shifted, shifted_test
from ablate.errors import AblateError


def photo(height: int = 48, width: int = 64, channels: int = 3, number: int = 1) -> Tensor:
    """Smooth random images, as photographs are, with an edge in them."""
    coarse = torch.rand((number, channels, 5, 5), generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    smooth[..., : width // 3] *= 0.4
    return (smooth * 255).round().to(torch.uint8)


def distance(images: Tensor, others: Tensor) -> float:
    return float((images.float() - others.float()).abs().mean())


@pytest.mark.parametrize("name", SHIFTS)
def test_more_severe_is_further_away(name: str):
    images = photo(number=4)
    distances = [distance(apply(images, name, severity), images) for severity in SEVERITIES]
    assert distances[0] > 0
    assert all(less < more for less, more in pairwise(distances)), distances


@pytest.mark.parametrize("name", SHIFTS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 13, 9), (1, 1, 1)])
def test_any_size_keeps_its_shape_and_repeats(name: str, shape: tuple[int, int, int]):
    channels, height, width = shape
    images = photo(height, width, channels, number=3)
    changed = apply(images, name, 5)
    assert changed.dtype == torch.uint8
    assert changed.shape == images.shape
    assert torch.equal(changed, apply(images, name, 5))
    assert torch.equal(changed[2:], apply(images[2:], name, 5, first=2)), "depends on the batch"


@pytest.mark.parametrize(
    "name", ["gaussian-noise", "shot-noise", "impulse-noise", "fog", "translate", "occlude"]
)
def test_seeds_and_images_have_draws_of_their_own(name: str):
    images = photo().expand(2, -1, -1, -1)
    changed = apply(images, name, 3)
    assert not torch.equal(changed[0], changed[1])
    assert not torch.equal(changed, apply(images, name, 3, seed=1))


def test_noise_has_the_strength_that_is_stated():
    grey = torch.full((1, 1, 200, 200), 128, dtype=torch.uint8)
    gaussian = (apply(grey, "gaussian-noise", 2).float() / 255).std()
    assert float(gaussian) == pytest.approx(0.08, rel=0.03)
    shot = (apply(grey, "shot-noise", 2).float() / 255).std()
    assert float(shot) == pytest.approx((0.03 * 128 / 255) ** 0.5, rel=0.03)  # of a Poisson count
    impulse = apply(grey, "impulse-noise", 4)
    assert float((impulse == 0).float().mean()) == pytest.approx(0.06, abs=0.005)
    assert float((impulse == 255).float().mean()) == pytest.approx(0.06, abs=0.005)


@pytest.mark.filterwarnings("ignore:The image decoding:DeprecationWarning")
def test_the_same_as_torchvision_does():
    images = photo(64, 64)
    inner = (..., slice(8, -8), slice(8, -8))  # torchvision has other borders
    sigma = 0.03 * 64
    blurred = torchvision.gaussian_blur(images.float(), [13, 13], [sigma, sigma])
    assert distance(apply(images, "gaussian-blur", 3)[inner], blurred[inner]) < 0.5
    assert distance(apply(images, "jpeg", 4), torchvision.jpeg(images[0], 12)[None]) == 0
    mean = images.float().mean()
    assert distance(apply(images, "contrast", 2), mean + 0.5 * (images.float() - mean)) < 0.6
    turned = [
        torchvision.rotate(images, angle, torchvision.InterpolationMode.BILINEAR) for angle in (15, -15)
    ]
    middle = (..., slice(20, -20), slice(20, -20))
    assert min(distance(apply(images, "rotate", 3)[middle], other[middle]) for other in turned) < 0.6


def test_lengths_are_shares_of_the_side():
    small, large = (
        photo(32, 32),
        torch.nn.functional.interpolate(photo(32, 32).float(), scale_factor=4).to(torch.uint8),
    )
    for name in ("gaussian-blur", "shrink", "translate"):
        once = apply(large, name, 4)[..., ::4, ::4]
        assert distance(once, apply(small, name, 4)) < 0.35 * distance(apply(small, name, 4), small) + 2, name


def test_a_split_and_a_set_are_changed():
    data = load("digits")
    changed = shifted_test(data, "gaussian-noise", 2, seed=3)
    assert isinstance(changed, Dataset)
    assert changed.train is data.train
    assert torch.equal(changed.test.labels, data.test.labels)
    assert torch.equal(changed.test.images, apply(data.test.images, "gaussian-noise", 2, seed=3))  # type: ignore[union-attr]


def test_a_stream_is_changed_as_a_tensor_is():
    images = photo(number=5)
    labels = torch.arange(5)
    stream = StreamSplit(list(images), labels[:3], torch.tensor([4, 0, 2]), workers=2)
    got = torch.cat([batch for batch, _ in shifted(stream, "impulse-noise", 3).batches(torch.arange(3), 2)])
    wanted = shifted(TensorSplit(images, labels), "impulse-noise", 3)
    assert torch.equal(got, wanted.images[[4, 0, 2]])  # type: ignore[union-attr]


def test_labels_per_token_do_not_move():
    split = TensorSplit(photo(number=2), torch.zeros(2, 4, 4, dtype=torch.int64))
    assert shifted(split, "fog", 1).labels is split.labels
    with pytest.raises(AblateError, match="labels per token would stay"):
        shifted(split, "rotate", 1)


def test_mistakes_are_named():
    with pytest.raises(AblateError, match="unknown shift 'gausian-blur'; did you mean 'gaussian-blur'"):
        apply(photo(), "gausian-blur", 1)
    with pytest.raises(AblateError, match="from 1 to 5, got 6"):
        apply(photo(), "fog", 6)
    with pytest.raises(AblateError, match="JPEG has 1 or 3 channels"):
        apply(photo(channels=2), "jpeg", 1)


def test_another_resolution_comes_from_the_files(tmp_path: Path):
    for split in ("train", "val"):
        (tmp_path / split / "a").mkdir(parents=True)
        Image.fromarray(photo(64, 64)[0].permute(1, 2, 0).numpy()).save(tmp_path / split / "a" / "0.png")
    trained = load(f"folder:{tmp_path}", resolution=8)
    tested = at_resolution(trained, 64)
    assert torch.equal(tested.test.images, photo(64, 64))  # type: ignore[union-attr]
    assert (tested.mean, tested.std) == (trained.mean, trained.std)
