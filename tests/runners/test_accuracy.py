import json
import math

import pytest
import torch
from digit_runs import small, weights_only
from pydantic import ValidationError
from torch import nn

from ablate.data import Dataset, TensorSplit
from ablate.errors import AblateError
from ablate.runners.accuracy import (
    AccuracyProtocol,
    Candidate,
    Diverged,
    best_lr,
    train,
    tune,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(("recipe", "least"), [("short", 95), ("adamw", 85)])
def test_digits_are_learnt(digits: Dataset, recipe: str, least: float):
    result = train(small, digits, AccuracyProtocol(epochs=6, recipe=recipe, batch=64))
    assert result.top1 > least
    assert result.test_loss < 1
    assert result.test_images == 596
    assert result.steps == round(6 * 1201 / 64)
    assert result.images_seen == result.steps * 64
    assert result.curve[-1][0] == result.images_seen
    assert result.curve[0][1] > result.curve[-1][1]
    assert result.recipe["name"] == recipe
    json.dumps(result.to_json())


def test_the_figures_are_those_of_the_model(digits: Dataset):
    """Accuracy and loss are recomputed here from the trained model, in one batch."""
    built: list[nn.Module] = []

    def build() -> nn.Module:
        built.append(small())
        return built[0]

    protocol = AccuracyProtocol(epochs=1, precision="fp32", eval_batch=100)
    result = train(build, digits, protocol)
    model = built[0].eval()
    assert isinstance(digits.test, TensorSplit)
    with torch.no_grad():
        logits = model(digits.to_input(digits.test.images))
    right = (logits.argmax(1) == digits.test.labels).double().mean()
    assert result.top1 == pytest.approx(100 * float(right), abs=1e-9)
    assert result.test_loss == pytest.approx(
        float(nn.functional.cross_entropy(logits, digits.test.labels)), rel=1e-5
    )


def test_the_same_seed_is_the_same_run_bit_for_bit(digits: Dataset):
    protocol = AccuracyProtocol(epochs=2, seed=3)
    first = train(small, digits, protocol)
    torch.rand(7)  # what happened before must not matter
    assert weights_only(train(small, digits, protocol)) == weights_only(first)
    other = train(small, digits, protocol.but(seed=4))
    assert other.test_loss != first.test_loss


def test_training_leaves_the_callers_random_numbers_alone(digits: Dataset):
    torch.manual_seed(0)
    wanted = torch.rand(3)
    torch.manual_seed(0)
    train(small, digits, AccuracyProtocol(epochs=0.1))
    assert torch.equal(torch.rand(3), wanted)


class Watcher(nn.Module):
    """Notes its inputs; `extra` random numbers are drawn at its birth, as a larger model would."""

    def __init__(self, seen: list[torch.Tensor], extra: int):
        super().__init__()
        self.seen, self.extra = seen, torch.randn(extra)
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.seen.append(x.clone())
        out: torch.Tensor = self.head(x.flatten(1))
        return out


def inputs(digits: Dataset, protocol: AccuracyProtocol, extra: int = 0) -> list[torch.Tensor]:
    seen: list[torch.Tensor] = []
    train(lambda: Watcher(seen, extra), digits, protocol)
    return seen


def test_layouts_with_one_seed_see_the_same_batches(digits: Dataset):
    protocol = AccuracyProtocol(epochs=0.5, seed=1, augment=True)
    first, second = inputs(digits, protocol), inputs(digits, protocol, extra=999)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], inputs(digits, protocol.but(seed=2))[0])


def test_an_epoch_shows_every_image_once_and_batches_are_full(digits: Dataset):
    seen = inputs(digits, AccuracyProtocol(epochs=2, batch=100, augment=False))
    assert [len(batch) for batch in seen] == [100] * 24
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    images = [image.numpy().tobytes() for image in torch.cat(seen)]
    assert isinstance(digits.train, TensorSplit)
    distinct = len({image.numpy().tobytes() for image in digits.train.images})
    assert len(set(images[:1201])) == distinct  # the order of the second epoch is another one
    assert images[:1000] != images[1201:2201]


def test_augmentation_follows_the_budget(digits: Dataset):
    assert train(small, digits, AccuracyProtocol(epochs=0.2, lr=0.001)).augmentation["shift"] == 0
    assert train(small, digits, AccuracyProtocol(epochs=2, batch=600, lr=0.001)).augmentation["shift"] == 1
    assert (
        train(small, digits, AccuracyProtocol(epochs=0.2, lr=0.001, augment=True)).augmentation["shift"] == 1
    )


@pytest.mark.parametrize("recipe", ["short", "adamw"])
def test_a_run_that_leaves_the_finite_has_no_accuracy(digits: Dataset, recipe: str):
    with pytest.raises(Diverged, match=r"not finite at step \d+") as caught:
        train(small, digits, AccuracyProtocol(epochs=2, lr=1e9, recipe=recipe))
    assert caught.value.step >= 1


class Broken(nn.Module):
    """Logits that are what `value` says, whatever the image."""

    def __init__(self, value: float, in_test: bool = True):
        super().__init__()
        self.value, self.in_test = value, in_test
        self.bias = nn.Parameter(torch.zeros(10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wrong = torch.zeros(10)
        wrong[0] = self.value if self.in_test or self.training else 0.0
        return (self.bias * 0 + wrong).expand(len(x), 10)


def test_the_step_of_the_first_loss_that_is_not_finite_is_named(digits: Dataset):
    class Later(Broken):
        steps = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.steps += 1
            return super().forward(x) * (math.nan if self.steps >= 17 else 1.0)

    with pytest.raises(Diverged, match="not finite at step 17"):
        train(lambda: Later(0.0), digits, AccuracyProtocol(epochs=20))


def test_worse_than_guessing_has_no_accuracy(digits: Dataset):
    with pytest.raises(Diverged, match=r"ended at .* where guessing has 2\.3"):
        train(lambda: Broken(100.0), digits, AccuracyProtocol(epochs=1))
    guess = train(lambda: Broken(0.0), digits, AccuracyProtocol(epochs=1))
    assert guess.test_loss == pytest.approx(math.log(10))
    assert guess.top1 == pytest.approx(100 * 59 / 596)


def test_a_test_loss_that_is_not_finite(digits: Dataset):
    class InTestOnly(Broken):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) * (1.0 if self.training else math.inf)

    with pytest.raises(Diverged, match="test loss"):
        train(lambda: InTestOnly(0.0), digits, AccuracyProtocol(epochs=1))


def test_progress_is_told_at_every_step(digits: Dataset):
    told: list[tuple[int, int]] = []
    result = train(small, digits, AccuracyProtocol(epochs=1), lambda done, total: told.append((done, total)))
    assert told == [(step, result.steps) for step in range(1, result.steps + 1)]


def test_tuning_chooses_on_the_validation_split(digits: Dataset):
    seen: list[int] = []

    class Sized(Broken):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if not self.training:
                seen.append(len(x))
            return super().forward(x)

    protocol = AccuracyProtocol(epochs=1, tune_lr=(1e-4, 0.03, 1e9), seed=5, eval_batch=10000)
    told: list[float] = []
    result = train(small, digits, protocol, lambda done, total: told.append(done / total))
    assert told == sorted(told)
    assert (
        told[-result.steps - 1] < 0.75 < told[-result.steps]
    )  # the fourth of four runs is the one that counts
    assert told[-1] == 1
    assert result.recipe["lr"] == 0.03
    assert [candidate.lr for candidate in result.tuning] == [1e-4, 0.03, 1e9]
    assert result.tuning[1].top1 is not None
    assert result.tuning[0].top1 is not None
    assert result.tuning[1].top1 > result.tuning[0].top1
    assert result.tuning[2].diverged is not None
    assert tune(small, digits, protocol.but(seed=6)) == result.tuning  # the same for every seed
    train(lambda: Sized(0.0), digits, protocol)
    assert seen == [120, 120, 120, 596]
    plain = train(small, digits, protocol.but(tune_lr=(), lr=0.03))
    assert plain.test_loss == result.test_loss
    assert plain.steps == result.steps


def test_the_best_rate_has_the_best_accuracy_then_the_lower_loss():
    tried = [Candidate(0.1, 80.0, 0.5), Candidate(0.2, 80.0, 0.4), Candidate(0.3, None, None, "x")]
    assert best_lr(tried) == 0.2
    with pytest.raises(Diverged):
        best_lr(tried[2:])


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"epochs": math.inf},
        {"batch": 0},
        {"lr": 0.1, "tune_lr": (0.1,)},
        {"images": 100},
        {"epochs": None},
        {"epochs": None, "core_seconds": -1.0},
        {"class_weights": "rare"},
        {"test_resolutions": (0,)},
        {"curve_tests": -1},
    ],
)
def test_impossible_protocols_are_refused(wrong: dict[str, object]):
    with pytest.raises(ValidationError):
        AccuracyProtocol(**({"epochs": 1} | wrong))  # type: ignore[arg-type]


def test_names_are_checked(digits: Dataset):
    for wrong in ({"recipe": "sgd"}, {"precision": "fp8"}, {"device": "tpu"}):
        with pytest.raises((AblateError, ValidationError)):
            train(small, digits, AccuracyProtocol(epochs=0.1, **wrong))
