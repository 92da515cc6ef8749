"""The training loop of one run: batches, steps, the learning curve, and the state that a checkpoint keeps."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from ablate.data.augment import Augmentation, augment, augmentation_for
from ablate.data.dataset import Dataset
from ablate.data.splits import IGNORED, DrawnSplit, Split, TensorSplit, draws
from ablate.errors import AblateError
from ablate.measurements.accuracy_protocol import AccuracyProtocol
from ablate.runners import device as devices
from ablate.runners.accuracy_checkpoint import Checkpoint
from ablate.runners.accuracy_testing import Judge
from ablate.runners.accuracy_weights import class_weights, running_mean
from ablate.runners.diverged import POINTS, Diverged
from ablate.runners.recipes import Recipe

OnStep = Callable[[int, int], None]
TIMED_STEPS = 6  # of a budget in core-seconds, after two that warm up


class Training:
    """One training run: what stays the same over its steps, and how far it has come."""

    def __init__(self, model: nn.Module, judge: Judge, recipe: Recipe, checkpoint: Checkpoint | None = None):
        self.model, self.judge, self.recipe, self.checkpoint = model, judge, recipe, checkpoint
        self.dataset: Dataset = judge.dataset
        self.protocol: AccuracyProtocol = judge.protocol
        self.device = judge.device
        self.weights = (
            class_weights(self.dataset).to(self.device) if self.protocol.class_weights == "balanced" else None
        )
        self.optimizers = recipe.optimizers(model)
        self.peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in self.optimizers]
        self.draws = torch.Generator()
        self.done = 0
        self.losses: list[Tensor] = []
        self.curve: list[tuple[int, float]] = []
        self.test_curve: list[tuple[int, float]] = []
        self.seconds, self.core_seconds = 0.0, 0.0
        self.continued = 0
        saved = checkpoint.load() if checkpoint else None
        self.steps = saved["steps"] if saved else self._budget()
        seen = self.steps * self.protocol.batch / len(self.dataset.train)
        epochs = seen if self.protocol.epochs is None else self.protocol.epochs
        self.augmentation = self._augmentation(epochs)
        self.ema = running_mean(model, self.steps) if self.protocol.ema else None
        self.draws.manual_seed(self.protocol.seed_of("augmentation") + 2**32)
        torch.manual_seed(self.protocol.seed_of("augmentation"))  # dropout and stochastic depth
        if saved:
            self._restore(saved)

    def fit(self, on_step: OnStep | None = None, *, stop: int | None = None) -> float:
        """The steps that are left, or those up to `stop`, then kept as a checkpoint; the mean loss of
        the last tenth of the steps. Raises `Diverged`."""
        every = max(1, self.steps // POINTS)
        tests = self._test_steps()
        self.model.train()
        clock = _Clock(self.device)
        left = self.batches(self.done, stop) if stop is None or self.done < stop else ()
        for images, labels in left:
            factor = self.recipe.factor(self.done, self.steps)
            for optimizer, rates in zip(self.optimizers, self.peaks, strict=True):
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate * factor
            self.losses.append(self.step(self.model, self.optimizers, images, labels))
            self.done += 1
            if self.ema is not None:
                self.ema.update_parameters(self.model)
            if self.done % every == 0 or self.done == self.steps:
                first = 0 if not self.curve else self.curve[-1][0] // self.protocol.batch
                mean = self._checked(self.losses[first:], first)
                self.curve.append((self.done * self.protocol.batch, mean))
            if self.done in tests:
                self._add(clock)
                scores = self.judge.test(self.model)
                self.test_curve.append((self.done * self.protocol.batch, scores.top1))
                self.model.train()
                clock = _Clock(self.device)
            if self.checkpoint is not None and self.checkpoint.due and self.done < self.steps:
                self._add(clock)
                self.checkpoint.save(self._state())
                clock = _Clock(self.device)
            if on_step is not None:
                on_step(self.done, self.steps)
        self._add(clock)
        if self.done < self.steps and self.checkpoint is not None:
            self.checkpoint.save(self._state())
        return self._ended()

    def step(self, model: nn.Module, optimizers: list[Optimizer], images: Tensor, labels: Tensor) -> Tensor:
        """Forward, backward and one move of every parameter; the loss, still on the device."""
        logits = self.judge.logits(model, images)
        loss = F.cross_entropy(
            logits,
            labels,
            self.weights,
            ignore_index=IGNORED,
            label_smoothing=self.recipe.label_smoothing,
        )
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers:
            optimizer.step()
        return loss.detach()

    def batches(self, first: int = 0, steps: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """The full batches from step `first` on, ready for the model.

        Images of a set come epoch after epoch, each in a new order; drawn ones are new in every batch.
        """
        for images, labels in self._stored(first, self.steps if steps is None else steps):
            moved = augment(images.to(self.device, non_blocking=True), self.augmentation, self.draws)
            yield self.judge.network_input(moved), labels.to(self.device, non_blocking=True)

    def _stored(self, first: int, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of steps `first` to `steps` as bytes and labels."""
        protocol, train = self.protocol, self.dataset.train
        if isinstance(train, DrawnSplit):
            for step in range(first, steps):
                drawn = train.draw(draws("train", protocol.seed_of("order"), step), protocol.batch)
                yield drawn.images, drawn.labels
            return
        wanted = steps * protocol.batch
        orders = torch.Generator().manual_seed(protocol.seed_of("order"))
        epochs = -(-wanted // len(train))
        order = torch.cat([torch.randperm(len(train), generator=orders) for _ in range(epochs)])
        yield from self._on_device(train).batches(order[first * protocol.batch : wanted], protocol.batch)

    def _budget(self) -> int:
        """The number of steps of the run. A budget of time is divided by what a step takes on a copy."""
        steps = self.protocol.steps(len(self.dataset.train))
        if steps is not None:
            return steps
        assert self.protocol.core_seconds is not None
        model = copy.deepcopy(self.model).train()
        optimizers = self.recipe.optimizers(model)
        self.augmentation = Augmentation()
        taken = []
        with torch.random.fork_rng():
            for images, labels in self.batches(steps=2 + TIMED_STEPS):
                clock = _Clock(self.device)
                self.step(model, optimizers, images, labels)
                taken.append(clock.core_seconds)
        # input is made between the steps: what the clock misses is a few percent, which the row tells
        return max(1, round(self.protocol.core_seconds * TIMED_STEPS / sum(taken[2:])))

    def _augmentation(self, epochs: float) -> Augmentation:
        """None for drawn images: every one is new, and its labels lie where they were drawn."""
        if not isinstance(self.dataset.train, DrawnSplit):
            return augmentation_for(self.dataset, epochs, self.protocol.augment)
        if self.protocol.augment:
            raise AblateError(f"{self.dataset.name} is drawn: its images cannot be augmented")
        return Augmentation()

    def _test_steps(self) -> set[int]:
        """After which steps the learning curve is judged: evenly spread, the last one among them."""
        tests = self.protocol.curve_tests
        return {max(1, round(self.steps * number / tests)) for number in range(1, tests + 1)}

    def _on_device(self, split: Split) -> Split:
        """A split in memory moves to a GPU as a whole; a stream stays where it is."""
        if isinstance(split, TensorSplit) and self.device.type != "cpu":
            return TensorSplit(split.images.to(self.device), split.labels.to(self.device))
        return split

    def _checked(self, losses: list[Tensor], first: int) -> float:
        """Mean of the losses from step `first` on. Raises `Diverged` when one of them is not finite."""
        values = torch.stack(losses)
        wrong = (~values.isfinite()).nonzero()
        if len(wrong):
            raise Diverged("the training loss is not finite", first + int(wrong[0]) + 1)
        return float(values.mean())

    def _ended(self) -> float:
        """The mean loss of the last tenth. Raises `Diverged` when guessing would have been much better."""
        final = float(torch.stack(self.losses[-max(1, self.steps // 10) :]).mean())
        chance = math.log(max(2, len(self.dataset.classes)))  # loss of guessing all classes alike
        if final > 1.5 * chance:
            raise Diverged(
                f"the training loss ended at {final:.3g}, where guessing has {chance:.3g},", self.steps
            )
        return final

    def _add(self, clock: _Clock) -> None:
        self.seconds += clock.seconds
        self.core_seconds += clock.core_seconds

    def _state(self) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "done": self.done,
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "ema": None if self.ema is None else self.ema.state_dict(),
            "losses": torch.stack(self.losses).cpu(),
            "curve": self.curve,
            "test_curve": self.test_curve,
            "seconds": (self.seconds, self.core_seconds),
            "continued": self.continued,
            "draws": self.draws.get_state(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.done = state["done"]
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        self.losses = list(state["losses"].to(self.device))
        self.curve, self.test_curve = list(state["curve"]), list(state["test_curve"])
        self.seconds, self.core_seconds = state["seconds"]
        self.continued = state["continued"] + 1
        self.draws.set_state(state["draws"])
        torch.set_rng_state(state["random"])
        if state["random_cuda"] is not None:
            torch.cuda.set_rng_state(state["random_cuda"], self.device)


class _Clock:
    """Wall time and processor time since it was made; on a GPU the two are the same."""

    def __init__(self, device: torch.device):
        self.device = device
        devices.synchronize(device)
        self.wall, self.cores = time.perf_counter(), time.process_time()

    @property
    def seconds(self) -> float:
        devices.synchronize(self.device)
        return time.perf_counter() - self.wall

    @property
    def core_seconds(self) -> float:
        return time.process_time() - self.cores if self.device.type == "cpu" else self.seconds
