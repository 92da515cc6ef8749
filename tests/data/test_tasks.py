"""Diagnostic tasks: the answers are in the images, where they should be, and nowhere else."""

import math

import pytest
import torch

from ablate.data import Dataset, DrawnSplit, TensorSplit, load
from ablate.data.drawn import coordinates
from ablate.data.recall import patterns
from ablate.data.splits import IGNORED, draws
from ablate.errors import AblateError

TASKS = ("reach", "flag", "texture", "recall", "count", "position", "conflict")


def drawn(text: str, number: int = 64) -> tuple[Dataset, TensorSplit]:
    joiner = "," if "(" in text else "("
    dataset = load(f"{text.removesuffix(')')}{joiner}test_images={number})")
    assert isinstance(dataset.test, TensorSplit)
    return dataset, dataset.test


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_a_data_set(name: str):
    dataset, test = drawn(name)
    assert isinstance(dataset.train, DrawnSplit)
    assert len(dataset.train) == 10_000
    assert len(load(f"{name}(images=50, test_images=8)").train) == 50
    assert len(test) == 64
    assert test.images.shape[1:] == (dataset.channels, *dataset.resolution)
    asked = test.labels[test.labels != IGNORED]
    assert set(asked.tolist()) <= set(range(len(dataset.classes)))
    assert test.groups is not None
    groups = test.groups[test.labels != IGNORED]
    assert set(groups.tolist()) == set(range(len(dataset.group_names)))
    assert not dataset.flip


@pytest.mark.parametrize("name", TASKS)
def test_a_draw_depends_on_its_generator_alone(name: str):
    dataset, test = drawn(name, 16)
    again = load(f"{name}(test_images=16)").test
    assert isinstance(again, TensorSplit)
    assert torch.equal(test.images, again.images)
    assert torch.equal(test.labels, again.labels)
    train = dataset.train
    assert isinstance(train, DrawnSplit)
    first, second = (train.draw(draws("train", seed, 0), 16) for seed in (0, 1))
    assert not torch.equal(first.images, second.images)
    shown = {image.numpy().tobytes() for image in torch.cat([first.images, second.images])}
    assert not shown & {image.numpy().tobytes() for image in test.images}


@pytest.mark.parametrize("name", TASKS)
def test_every_answer_is_equally_frequent(name: str):
    _, test = drawn(name, 600)
    counts = torch.bincount(test.labels[test.labels != IGNORED]).double()
    expected = counts.mean()
    statistic = float(((counts - expected) ** 2 / expected).sum())
    assert statistic < 3 * len(counts) + 20


def test_reach_is_the_colour_that_far_to_the_right():
    _, test = drawn("reach(distances=[1, 5], size=9, cell=2)", 3)
    colours = test.images[:, :3, ::2, ::2].permute(0, 2, 3, 1)  # one pixel of each cell
    code = {
        (255, 0, 0): 0,
        (0, 255, 0): 1,
        (0, 0, 255): 2,
        (0, 255, 255): 3,
        (255, 0, 255): 4,
        (255, 255, 0): 5,
    }
    for image in range(3):
        for question, distance in enumerate((1, 5)):
            for row in range(9):
                for column in range(9):
                    label = int(test.labels[image, question, row, column])
                    if column + distance >= 9:
                        assert label == IGNORED
                    else:
                        assert label == code[tuple(colours[image, row, column + distance].tolist())]


def test_coordinates_turn_by_the_distance():
    """Moving by d cells is a rotation, so that one linear map finds what is d away from anywhere."""
    codes = coordinates(16).double() / 127.5 - 1
    column = codes[6:, 3, :]  # sines, then cosines, of three octaves
    assert column.shape == (6, 16)
    for octave in range(3):
        turn = 2 * math.pi * 5 * 2**octave / 16
        sine, cosine = column[octave], column[3 + octave]
        moved = sine * math.cos(turn) + cosine * math.sin(turn)
        assert torch.allclose(moved[:11], sine[5:], atol=0.02)
    assert len({tuple(place) for place in coordinates(16).flatten(1).T.tolist()}) == 256


def test_flag_turns_the_palette_by_a_half():
    _, test = drawn("flag(distances=[2, 3], size=4, cell=1, colours=4)", 40)
    code = {(255, 0, 0): 0, (0, 255, 0): 1, (0, 0, 255): 2, (0, 255, 255): 3}
    flags = test.images[:, 0, 0, 0]
    assert set(flags.tolist()) == {0, 255}
    assert bool((test.images[:, :, :, 0] == flags.view(-1, 1, 1)).all())
    assert bool((test.labels[:, :, :2] == IGNORED).all())
    for image in range(40):
        for column in (2, 3):
            colour = code[tuple(test.images[image, :, 1, column].tolist())]
            wanted = (colour + (2 if flags[image] else 0)) % 4
            assert int(test.labels[image, 1, column]) == wanted
    assert test.groups is not None
    assert test.groups[0, 0].tolist() == [0, 0, 0, 1]


def test_texture_is_found_by_its_spectrum():
    """The strongest frequency of the whole image says period and orientation; noise does not matter."""
    dataset, test = drawn("texture(periods=[4, 8], size=64)", 64)
    spectrum = torch.fft.fft2(test.images[:, 0].double() - 127.5).abs()
    right = 0
    for image, label in zip(spectrum, test.labels.tolist(), strict=True):
        place = int(image.argmax())
        fy, fx = (frequency - 64 if frequency > 32 else frequency for frequency in divmod(place, 64))
        period = min((4, 8), key=lambda candidate: abs(64 / math.hypot(fx, fy) - candidate))
        index = round(math.degrees(math.atan2(fy, fx)) % 180 / 45) % 4
        right += dataset.classes[label] == f"{45 * index} degrees, {period} px"
    assert right >= 63


def test_recall_can_be_looked_up():
    _, test = drawn("recall(pairs=[1, 5], size=6, keys=7, values=4, cell=4)", 30)
    codes = [pattern.flatten().tolist() for pattern in patterns(11, 4)]
    for image in range(30):
        cells = test.images[image].view(3, 6, 4, 6, 4).permute(1, 3, 0, 2, 4)  # (6, 6, 3, 4, 4)
        known: dict[int, int] = {}
        questions: dict[tuple[int, int], int] = {}
        for row in range(6):
            for column in range(6):
                left, right = (half.flatten().tolist() for half in cells[row, column].split(2, -1))
                if any(right):
                    known[codes[:7].index(left)] = codes[7:].index(right)
                elif any(left):
                    questions[row, column] = codes[:7].index(left)
        asked = (test.labels[image] != IGNORED).nonzero().tolist()
        assert sorted(map(tuple, asked)) == sorted(questions)
        assert len(known) == len(questions) == (1, 5)[int(test.groups[image, 0, 0])]  # type: ignore[index]
        for place, key in questions.items():
            assert int(test.labels[image][place]) == known[key]


def test_count_is_the_number_of_spots():
    from scipy.ndimage import label

    _, test = drawn("count", 100)
    for image, number in zip(test.images, test.labels.tolist(), strict=True):
        spots, count = label((image[0] == 255).numpy())
        assert count == number
        assert int((spots > 0).sum()) == 9 * number


def test_position_is_the_part_that_holds_the_dot():
    _, test = drawn("position(fields=4, size=64, dot=4)", 50)
    for image, wanted in zip(test.images, test.labels.tolist(), strict=True):
        places = (image[0] == 255).nonzero()
        assert len(places) == 16
        row, column = (places[0] // 16).tolist()
        assert 4 * row + column == wanted
    assert test.groups is not None
    inner = {5, 6, 9, 10}
    assert [bool(group) for group in test.groups] == [label in inner for label in test.labels.tolist()]


def test_conflict_is_agreement_in_training_and_two_answers_in_the_test():
    dataset, test = drawn("conflict", 90)
    assert isinstance(dataset.train, DrawnSplit)
    assert dataset.group_names == ("agree", "shape", "texture")
    agree, shape, texture = (test.labels[test.groups == group] for group in range(3))
    assert len(agree) == len(shape) == len(texture) == 30
    assert not bool((shape == texture).any())
    assert torch.equal(test.images[30:60], test.images[60:90])
    train = dataset.train.draw(draws("train", 0, 0), 200)
    assert train.groups is not None
    assert int(train.groups.max()) == 0
    # the outline decides which pixels are bright at all: a mean per class finds the large letter
    bright = (train.images > 48).double()[:, 0]
    means = torch.stack([bright[train.labels == label].mean(0) for label in range(8)])
    outlines = (test.images[30:60] > 48).double()[:, 0]
    distance = (outlines.unsqueeze(1) - means).square().sum((2, 3))
    assert float((distance.argmin(1) == shape).double().mean()) > 0.8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reach(distances=[3, 1])", "distances must rise"),
        ("reach(distances=[20])", "to 15 at most"),
        ("reach(colours=9)", "colours must lie between 2 and 6"),
        ("flag(colours=3)", "even"),
        ("texture(periods=[1])", "periods must rise"),
        ("recall(pairs=[40])", "to 32 at most"),
        ("recall(cell=3)", "even"),
        ("count(most=30)", "room for 30 dots"),
        ("position(size=30)", "multiple of 16"),
        ("conflict(letters=AA)", "different letters"),
        ("reach(images=0)", "images must be at least 1"),
        ("reach(distance=[1])", "did you mean 'distances'"),
    ],
)
def test_mistakes_are_named(text: str, message: str):
    with pytest.raises(AblateError, match=message):
        load(text)
