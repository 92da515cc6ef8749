"""What a run tells beside top-1, its budgets, and that a killed one goes on with the same result."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from digit_runs import small, weights_only
from torch import nn

from ablate.data import Dataset, TensorSplit
from ablate.errors import AblateError
from ablate.layout import Layout
from ablate.runners.accuracy import AccuracyProtocol, AccuracyValues, train, tune
from ablate.runners.accuracy_checkpoint import Checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")


def test_balanced_accuracy_and_confusion_agree_with_scikit_learn(digits: Dataset):
    from sklearn.metrics import balanced_accuracy_score, confusion_matrix

    built: list[nn.Module] = []
    protocol = AccuracyProtocol(epochs=0.5, precision="fp32")
    result = train(small, digits, protocol, on_trained=built.append)
    assert isinstance(digits.test, TensorSplit)
    with torch.no_grad():
        answers = built[0](digits.to_input(digits.test.images)).argmax(1)
    assert result.confusion == confusion_matrix(digits.test.labels, answers).tolist()
    assert result.balanced == pytest.approx(100 * balanced_accuracy_score(digits.test.labels, answers))
    assert result.recall[3] == pytest.approx(
        100 * result.confusion[3][3] / sum(result.confusion[3])  # type: ignore[index]
    )


def test_budgets_in_images_and_in_core_seconds(digits: Dataset):
    assert train(small, digits, AccuracyProtocol(images=640, batch=64)).steps == 10
    result = train(small, digits, AccuracyProtocol(core_seconds=0.6, batch=64))
    assert result.core_seconds is not None
    assert 0.2 < result.core_seconds < 1.8  # a busy machine may slow single steps down
    assert result.steps > 10


def test_everything_that_may_be_asked_of_a_trained_network(digits: Dataset):
    mirrored = replace(digits, flip=True)
    assert isinstance(digits.test, TensorSplit)
    black = TensorSplit(torch.zeros_like(digits.test.images), digits.test.labels)
    told: list[nn.Module] = []
    result = train(
        small_and_free,
        mirrored,
        AccuracyProtocol(epochs=4, ema=True, flip_test=True, test_resolutions=(8, 12), curve_tests=4),
        shifts={"none": mirrored, "black": replace(mirrored, test=black)},
        on_trained=told.append,
    )
    assert result.ema_top1 is not None
    assert abs(result.ema_top1 - result.top1) < 5
    assert result.flip_top1 is not None
    assert result.flip_top1 != result.top1  # digits are not symmetric
    assert result.at_resolution[8] == result.top1 == result.under_shift["none"]
    assert result.at_resolution[12] < result.top1
    assert result.under_shift["black"] < 15
    assert [seen for seen, _ in result.test_curve][-1] == result.images_seen
    assert len(result.test_curve) == 4
    assert result.test_curve[-1][1] == result.top1
    assert len(told) == 1
    assert AccuracyValues.from_json(json.loads(json.dumps(result.to_json()))) == result


def small_and_free() -> nn.Module:
    """A network for images of any size."""
    model = small()
    assert isinstance(model, nn.Sequential)
    return nn.Sequential(*model[:7], nn.AdaptiveAvgPool2d(4), *model[7:])


def test_what_is_asked_does_not_change_the_training(digits: Dataset):
    plain = train(small, digits, AccuracyProtocol(epochs=1))
    asked = train(small, digits, AccuracyProtocol(epochs=1, ema=True, curve_tests=3))
    assert (plain.top1, plain.test_loss, plain.curve) == (asked.top1, asked.test_loss, asked.curve)


def test_mirrored_tests_need_images_that_keep_their_class(digits: Dataset):
    with pytest.raises(AblateError, match="mirrored"):
        train(small, digits, AccuracyProtocol(epochs=1, flip_test=True))


def test_balanced_weights_help_the_rare_class(digits: Dataset):
    assert isinstance(digits.train, TensorSplit)
    rare = digits.train.labels != 8
    rare[(digits.train.labels == 8).nonzero().flatten()[:6]] = True
    skewed = replace(digits, train=digits.train.select(rare.nonzero().flatten()))
    results = [
        train(small, skewed, AccuracyProtocol(epochs=3, batch=64, class_weights=weights))
        for weights in ("none", "balanced")
    ]
    recall = [result.recall[8] for result in results]
    assert recall[0] is not None
    assert recall[1] is not None
    assert recall[1] > recall[0] + 5


class Killed(Exception):  # noqa: N818
    """What stands for a kill."""


@pytest.mark.parametrize("recipe", ["short", "adamw"])
def test_a_killed_run_goes_on_with_the_same_result(digits: Dataset, tmp_path: Path, recipe: str):
    protocol = AccuracyProtocol(epochs=1, recipe=recipe, ema=True, curve_tests=2, augment=True, batch=50)
    whole = train(small, digits, protocol)

    def kill(done: int, total: int) -> None:
        if done == 17:
            raise Killed

    folder = Checkpoint(tmp_path / "state", every_s=0.0)
    with pytest.raises(Killed):
        train(small, digits, protocol, kill, checkpoint=folder)
    told: list[int] = []
    again = train(small, digits, protocol, lambda done, total: told.append(done), checkpoint=folder)
    assert told[0] == 18  # step 17 was kept
    assert again.continued == 1
    assert weights_only(again) == weights_only(whole)
    assert not (tmp_path / "state").exists()
    # another run does not go on from this one's state
    with pytest.raises(Killed):
        train(small, digits, protocol, kill, checkpoint=folder)
    other = protocol.but(seed=1, epochs=0.1, lr=0.001)
    assert train(small, digits, other, checkpoint=folder).continued == 0


def test_a_killed_tuning_keeps_the_rates_that_are_done(digits: Dataset, tmp_path: Path):
    protocol = AccuracyProtocol(epochs=0.5, tune_lr=(0.01, 0.03, 0.1))
    steps = train(small, digits, AccuracyProtocol(epochs=0.5)).steps
    calls: list[int] = []

    def kill(done: int, total: int) -> None:
        calls.append(done)
        if done == 2 * steps:
            raise Killed

    folder = Checkpoint(tmp_path, every_s=0.0)
    with pytest.raises(Killed):
        train(small, digits, protocol, kill, checkpoint=folder)
    told: list[int] = []
    again = train(small, digits, protocol, lambda done, total: told.append(done), checkpoint=folder)
    assert told[0] > steps  # the first rate was not trained again
    assert again.tuning == tune(small, digits, protocol)


def test_the_edge_of_the_grid_is_told(digits: Dataset):
    def chosen(*grid: float) -> str | None:
        return train(small, digits, AccuracyProtocol(epochs=1, tune_lr=grid)).tuning_edge

    assert chosen(1e-6, 0.02) == "high"
    assert chosen(0.02, 1e-6) == "high"
    assert chosen(1e-6, 0.02, 1e9) is None
    assert train(small, digits, AccuracyProtocol(epochs=0.1)).tuning_edge is None


def test_training_on_maps_of_one_pixel_repeats_in_bf16(digits: Dataset):
    """8 x 8 pixels, stem 4 and two halvings: strided convolutions of maps smaller than their kernels."""
    layout = Layout(
        "conv", stem="overlap", widths=[16, 32, 32], depths=[1, 1, 1], head_dim=16, mlp_ratio=2, ffn="mlp"
    )
    protocol = AccuracyProtocol(epochs=1, batch=64)
    results = []
    for _ in range(2):
        junk = [torch.full((size,), torch.nan) for size in (64, 256, 1024, 4096, 16384) for _ in range(40)]
        del junk  # memory that is read before it is written now holds NaN
        results.append(weights_only(train(lambda: layout.build(10, 1), digits, protocol)))
    assert results[0] == results[1]


def test_wrong_bf16_is_refused_before_training(digits: Dataset):
    class WrongInHalf(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(64, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.head(x.flatten(1))
            return out if out.dtype == torch.float32 else -out

    with pytest.raises(AblateError, match="fp32"):
        train(WrongInHalf, digits, AccuracyProtocol(epochs=0.1))
    assert train(WrongInHalf, digits, AccuracyProtocol(epochs=0.1, precision="fp32")).precision_error is None
    error = train(small, digits, AccuracyProtocol(epochs=0.1)).precision_error
    assert error is not None
    assert 0 < error < 0.05
