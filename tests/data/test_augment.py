import pytest
import torch
import torch.nn.functional as F

from ablate.data import load
from ablate.data.augment import Augmentation, augment, augmentation_for


def images(batch: int = 64, channels: int = 2, height: int = 9, width: int = 7) -> torch.Tensor:
    size = (batch, channels, height, width)
    return torch.randint(0, 256, size, dtype=torch.uint8, generator=torch.Generator().manual_seed(5))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "augmentation", [Augmentation(shift=2), Augmentation(flip=True), Augmentation(2, True, 3)]
)
def test_same_seed_same_images(augmentation: Augmentation):
    first = augment(images(), augmentation, generator(1))
    assert torch.equal(first, augment(images(), augmentation, generator(1)))
    assert not torch.equal(first, augment(images(), augmentation, generator(2)))
    assert first.shape == images().shape
    assert first.dtype == torch.uint8


def test_nothing_changes_nothing_and_draws_nothing():
    source, draws = images(), generator()
    before = draws.get_state()
    assert augment(source, Augmentation(), draws) is source
    assert torch.equal(draws.get_state(), before)


def test_shift_is_a_crop_of_the_mirrored_border():
    source = images()
    shifted = augment(source, Augmentation(shift=2), generator())
    padded = F.pad(source.float(), (2,) * 4, mode="reflect").byte()
    places = set()
    for before, after in zip(padded, shifted, strict=True):
        matches = [
            (y, x) for y in range(5) for x in range(5) if torch.equal(before[:, y : y + 9, x : x + 7], after)
        ]
        assert len(matches) == 1
        places.update(matches)
    assert len(places) > 15  # of 25


def test_shift_is_limited_by_the_image():
    tiny = images(4, 1, 2, 2)
    assert augment(tiny, Augmentation(shift=8), generator()).shape == tiny.shape
    single = images(4, 1, 1, 1)
    assert torch.equal(augment(single, Augmentation(shift=8), generator()), single)


def test_flip_mirrors_about_half():
    source = images(400)
    flipped = augment(source, Augmentation(flip=True), generator())
    same = (flipped == source).flatten(1).all(1)
    mirrored = (flipped == source.flip(-1)).flatten(1).all(1)
    assert bool((same ^ mirrored).all())
    assert 150 < int(mirrored.sum()) < 250


def test_erase_is_one_square_clipped_by_the_border():
    white = torch.full((200, 1, 9, 9), 255, dtype=torch.uint8)
    holes = (augment(white, Augmentation(erase=4), generator()) == 0)[:, 0]
    heights, widths = holes.any(2).sum(1), holes.any(1).sum(1)
    assert torch.equal(holes.flatten(1).sum(1), heights * widths)
    assert int(heights.max()) == int(widths.max()) == 4
    assert int(heights.min()) >= 2


def test_the_budget_decides():
    digits = load("digits")
    assert not augmentation_for(digits, 1.9)
    assert augmentation_for(digits, 2.0) == Augmentation(shift=1, flip=False)
    assert not augmentation_for(digits, 50, wanted=False)
    assert augmentation_for(digits, 0.1, wanted=True)
    assert augmentation_for(load("digits", resolution=32), 5, erase=True) == Augmentation(4, False, 8)
