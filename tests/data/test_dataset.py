import pytest
import torch
import torch.nn.functional as F

from ablate.data import Dataset, StreamSplit, TensorSplit, load
from ablate.data.dataset import pixel_statistics, resize, stratified
from ablate.errors import AblateError


def split(number: int = 30, channels: int = 3, side: int = 6, classes: int = 3) -> TensorSplit:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (number, channels, side, side), dtype=torch.uint8, generator=generator)
    return TensorSplit(images, torch.arange(number) % classes)


def dataset(train: TensorSplit, size: tuple[int, int] = (6, 6), val: TensorSplit | None = None) -> Dataset:
    mean, std = pixel_statistics(train.images)
    return Dataset("toy", train, split(6), ("a", "b", "c"), 3, (6, 6), size, mean, std, flip=True, val=val)


def test_batches_follow_the_order_and_keep_the_rest():
    data = split(10)
    order = torch.tensor([7, 1, 1, 4, 0])
    seen = list(data.batches(order, 2))
    assert [len(labels) for _, labels in seen] == [2, 2, 1]
    assert torch.equal(torch.cat([images for images, _ in seen]), data.images[order])
    assert torch.equal(torch.cat([labels for _, labels in seen]), data.labels[order])


def test_stream_gives_the_same_batches_as_the_tensor_it_streams():
    data = split(10)
    stream = StreamSplit(list(data.images), data.labels, torch.arange(10), workers=0)
    order = torch.tensor([3, 9, 2, 2, 5])
    chosen = torch.tensor([0, 2, 4, 6, 8, 9, 1, 3, 5, 7])
    for left, right in ((data, stream), (data.select(chosen), stream.select(chosen))):
        for (a, la), (b, lb) in zip(left.batches(order, 2), right.batches(order, 2), strict=True):
            assert torch.equal(a, b)
            assert torch.equal(la, lb)


@pytest.mark.parametrize("wrong", [torch.zeros(3, 1, 2, 2), torch.zeros(3, 2, 2, dtype=torch.uint8)])
def test_images_must_be_bytes_of_four_axes(wrong: torch.Tensor):
    with pytest.raises(ValueError, match="uint8"):
        TensorSplit(wrong, torch.zeros(3))


def test_input_is_normalised_per_channel():
    train = split(200, side=9)
    data = dataset(train, (9, 9))
    pixels = data.to_input(train.images)
    assert pixels.dtype == torch.float32
    assert torch.allclose(pixels.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(pixels.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5)


def test_pixel_statistics_do_not_depend_on_the_chunk():
    images = split(50).images
    mean, std = pixel_statistics(images, chunk=7)
    exact = images.double() / 255
    assert mean == pytest.approx(exact.mean((0, 2, 3)).tolist(), abs=1e-12)
    assert std == pytest.approx(exact.std((0, 2, 3), correction=0).tolist(), abs=1e-12)


def test_one_colour_does_not_divide_by_zero():
    _, std = pixel_statistics(torch.full((4, 1, 3, 3), 7, dtype=torch.uint8))
    assert std[0] > 0


@pytest.mark.parametrize("size", [(12, 12), (3, 5), (6, 6)])
def test_resize_is_bilinear_and_rounded(size: tuple[int, int]):
    images = split(5).images
    wanted = F.interpolate(images.float(), size, mode="bilinear", antialias=True).round().byte()
    assert torch.equal(resize(images, size, chunk=2), wanted)


def test_a_batch_is_resized_late_when_the_set_was_not():
    data = dataset(split(8), size=(12, 12))  # stored at 6 x 6
    early = dataset(split(8), size=(12, 12))
    images = data.train.images[:3]
    assert data.to_input(images).shape == (3, 3, 12, 12)
    assert torch.equal(data.to_input(images), early.to_input(resize(images, (12, 12))))


def test_stratified_keeps_the_shares():
    labels = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)
    taken, left = stratified(labels, 50, seed=3)
    assert torch.bincount(labels[taken]).tolist() == [30, 15, 5]
    assert sorted([*taken.tolist(), *left.tolist()]) == list(range(100))
    assert not torch.equal(taken, stratified(labels, 50, seed=4)[0])
    assert torch.equal(taken, stratified(labels, 50, seed=3)[0])


@pytest.mark.parametrize("size", [2, 29, 1000])
def test_stratified_refuses_what_cannot_be(size: int):
    with pytest.raises(AblateError, match="cannot take"):
        stratified(torch.arange(30) % 3, size, seed=0)


def test_tuning_never_sees_the_test_images():
    data = load("digits")
    tuning = data.for_tuning()
    assert len(tuning.train) + len(tuning.test) == len(data.train)
    train = {image.numpy().tobytes() for image in data.train.images}
    held_out = {image.numpy().tobytes() for image in tuning.test.images}
    assert held_out <= train
    assert torch.bincount(tuning.test.labels).min() >= 10


def test_tuning_uses_the_sets_own_validation_split():
    val = split(9)
    tuning = dataset(split(30), val=val).for_tuning()
    assert tuning.test is val
    assert len(tuning.train) == 30
