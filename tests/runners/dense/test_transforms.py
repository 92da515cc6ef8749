"""Boxes and masks stay on their objects whatever is done to the image; batches follow from the seed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ablate.data.dense import load_dense
from ablate.data.dense.samples import DetectionSample, SegmentationSample
from ablate.measurements.detection import DetectionProtocol
from ablate.measurements.segmentation import SegmentationProtocol
from ablate.runners.dense.schedules import schedule_of
from ablate.runners.dense.stream import training_batches
from ablate.runners.dense.transforms import TrainBoxes, TrainMasks, aligned, at_test_size

MEAN = (0.5, 0.5, 0.5)


def block(crowd: bool = False) -> DetectionSample:
    """A white block on black, its box around it; and a crowd."""
    image = torch.zeros((3, 40, 60), dtype=torch.uint8)
    image[:, 8:24, 4:20] = 255
    boxes = torch.tensor([[4.0, 8.0, 20.0, 24.0], [0.0, 0.0, 60.0, 40.0]])
    return DetectionSample(
        image, boxes, torch.tensor([1, 2]), torch.tensor([256.0, 9.0]), torch.tensor([False, True]), 7
    )


def test_boxes_follow_their_object() -> None:
    schedule = replace(schedule_of(DetectionProtocol(schedule="1x")), short_side=80, long_side=100)
    mirrored = set()
    for seed in range(8):
        torch.manual_seed(seed)
        image, target = TrainBoxes(schedule, True)(block())
        assert image.shape == (3, 66, 100)  # the longer side would be 120
        assert target["labels"].tolist() == [1]  # the crowd is left out
        bright = (image[0] > 0.5).nonzero()
        low, high = bright.amin(0).tolist(), (bright.amax(0) + 1).tolist()
        assert target["boxes"][0].tolist() == pytest.approx([low[1], low[0], high[1], high[0]], abs=1.0)
        mirrored.add(low[1] > 30)
    assert mirrored == {True, False}


def test_a_test_image_says_how_it_was_scaled() -> None:
    schedule = replace(schedule_of(DetectionProtocol(schedule="1x")), short_side=80, long_side=1000)
    image, wider, higher = at_test_size(block(), schedule)
    assert (image.shape, wider, higher) == ((3, 80, 120), 2.0, 2.0)
    image, wider, higher = at_test_size(block(), schedule_of(DetectionProtocol()))
    assert (image.shape, wider, higher) == ((3, 40, 60), 1.0, 1.0)


def labelled(height: int = 48, width: int = 64) -> SegmentationSample:
    """Every pixel's label can be read off its colour."""
    mask = torch.zeros((height, width), dtype=torch.uint8)
    mask[:, width // 2 :] = 1
    mask[height // 2 :, : width // 4] = 2
    image = (mask.float() * 100).to(torch.uint8).expand(3, -1, -1).contiguous()
    return SegmentationSample(image, mask, 0)


def test_masks_follow_their_image() -> None:
    schedule = replace(
        schedule_of(SegmentationProtocol(schedule="40k")),
        short_side=48,
        long_side=200,
        crop=40,
        distort=False,
        most_of_one=0.75,
    )
    shares = []
    for seed in range(12):
        torch.manual_seed(seed)
        image, mask = TrainMasks(schedule, True, MEAN)(labelled())
        assert image.shape == (3, 40, 40)
        assert mask.shape == (40, 40)
        inside = mask != 255
        assert bool((image[0][~inside] == 128).all())  # the mean colour where there is no image
        guessed = (image[0].float() / 100).round()[inside]
        assert float((guessed == mask[inside]).float().mean()) > 0.93  # but for blurred edges
        counts = torch.bincount(mask[inside].int())
        shares.append(float(counts.max() / counts.sum()))
    assert sum(share < 0.75 for share in shares) >= 10


def test_alignment() -> None:
    schedule = replace(schedule_of(SegmentationProtocol(schedule="40k")), short_side=64, long_side=200)
    assert aligned(labelled().image, schedule).shape == (3, 64, 96)
    assert aligned(labelled(33, 64).image, schedule_of(SegmentationProtocol())).shape == (3, 64, 64)


def test_batches_follow_from_the_seed_alone() -> None:
    """The same with and without workers; another seed has other images; composed sets never repeat."""
    data = load_dense("cutouts:drawn", "segmentation", size=32, train_images=5)
    change = TrainMasks(schedule_of(SegmentationProtocol()), True, MEAN)

    def images(seed: int, workers: int = 0) -> torch.Tensor:
        batches = training_batches(data.train, change, 4, 2, seed, workers)
        return torch.stack([image for batch in batches for image, _ in batch])

    first = images(0)
    assert torch.equal(first, images(0, workers=1))
    assert not torch.equal(first, images(1))
    assert len({image.numpy().tobytes() for image in first}) == 8  # of 5 images an epoch


class _Five:
    open_ended = False

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> int:
        return index


def test_files_come_in_a_new_order_every_epoch() -> None:
    seen = [i for batch in training_batches(_Five(), lambda i: i, 5, 2, 3) for i in batch]
    assert sorted(seen[:5]) == sorted(seen[5:]) == [0, 1, 2, 3, 4]
    assert seen[:5] != seen[5:]
