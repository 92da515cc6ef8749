"""`run_imagenet`: one layout by one recipe, on one process or under `torchrun`."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ablate.errors import AblateError
from ablate.layout.network import Network
from ablate.measurements.base import Progress, Task
from ablate.measurements.imagenet import ImageNetCondition, ImageNetValues
from ablate.measurements.values import FailedCell
from ablate.runners import device as devices
from ablate.runners.attention import training_kernels
from ablate.runners.diverged import Diverged
from ablate.runners.imagenet import checkpoint
from ablate.runners.imagenet.data import (
    Images,
    epoch_order,
    load_images,
    root_of,
    shard_batches,
    validation_batches,
)
from ablate.runners.imagenet.recipes import ImageNetRecipe, build_classifier, drop_paths, imagenet_recipe

OnStep = Callable[[int, int], None]


class StoppedEarly(FailedCell):
    """A run that was told to stop before its end: what it would have scored is no result."""


def run(task: Task[ImageNetCondition], progress: Progress) -> ImageNetValues:
    """One training run of one layout, which goes on from the checkpoint in `task.folder`.

    Raises `StoppedEarly` where the condition ends it early, and what `run_imagenet` raises.
    """
    condition = task.condition
    file = None if task.folder is None else str(Path(task.folder) / "imagenet.pt")
    asked = condition.model_copy(update={"checkpoint": file})
    values = run_imagenet(task.layout, asked, on_step=lambda done, total: progress(done / total))
    if not values.complete:
        raise StoppedEarly(f"stopped after {values.steps} steps as `stop_after` asks, which is no result")
    if file is not None:
        Path(file).unlink(missing_ok=True)
    return values


def run_imagenet(
    layout: Network,
    protocol: ImageNetCondition,
    recipe: ImageNetRecipe | None = None,
    on_step: OnStep | None = None,
) -> ImageNetValues:
    """Train a layout by `protocol.recipe`, or by one handed in, and judge it on the validation images.

    Under `torchrun` every process calls this with the same arguments; all get the result. A global batch is
    dealt out to processes x `accumulate` shards; mixing, stochastic depth and batch norms act on a shard, so
    that two processes and one that accumulates twice do the same. On one CPU thread a run that was killed
    ends as one that was not, bit for bit. Raises `Diverged` when the loss is not finite, and `AblateError`
    for missing or broken images, a checkpoint of another run, or a batch that cannot be dealt out.
    """
    recipe = recipe or imagenet_recipe(protocol.recipe)
    with process_group(protocol.device) as (rank, world, device):
        train, test, classes = load_images(
            root_of(protocol.data), recipe, protocol.seed, check=protocol.check and rank == 0
        )
        if world > 1:
            dist.barrier()
        arrays = np.random.get_state()
        with torch.random.fork_rng():
            try:
                run = _Run(layout, recipe, protocol, train, test, classes, rank, world, device)
                return run.finish(on_step)
            finally:
                np.random.set_state(arrays)


@contextmanager
def process_group(name: str) -> Iterator[tuple[int, int, torch.device]]:
    """Rank, number of processes, and this process's device, as `torchrun` has set them up; else 0 and 1."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    device = devices.resolve(name)
    if world == 1:
        yield 0, 1, device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    # long, because the others wait while the first process looks at every image
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=timedelta(hours=6))
    try:
        yield dist.get_rank(), world, device
    finally:
        dist.destroy_process_group()


class _Run:
    """One training run: model, optimizer and data, and how far it is."""

    def __init__(
        self,
        layout: Network,
        recipe: ImageNetRecipe,
        protocol: ImageNetCondition,
        train: Images,
        test: Images,
        classes: int,
        rank: int,
        world: int,
        device: torch.device,
    ):
        self.layout, self.recipe, self.protocol, self.device = layout, recipe, protocol, device
        self.train, self.test, self.classes, self.rank, self.world = train, test, classes, rank, world
        self.batch = protocol.batch or recipe.batch
        self.parts = world * protocol.accumulate
        if self.batch % self.parts or (self.batch // self.parts) % 2:
            raise AblateError(
                f"a batch of {self.batch} cannot be dealt out to {world} x {protocol.accumulate} shards "
                "of even size"
            )
        self.per_epoch = len(epoch_order(train, recipe, 0, protocol.seed)) // self.batch
        if not self.per_epoch:
            raise AblateError(f"{len(train)} training images do not fill one batch of {self.batch}")
        torch.manual_seed(protocol.seed)
        model = build_classifier(layout, recipe, classes).to(device)
        self.format = torch.channels_last if protocol.channels_last else torch.contiguous_format
        self.model: nn.Module = model.to(memory_format=self.format)
        self.optimizer = recipe.make_optimizer(self.model, self.batch)
        self.ema = self._averaged()
        self.job = {
            "layout": repr(layout.to_dict()),
            "recipe": repr(recipe),
            "batch": self.batch,
            "parts": self.parts,
            "seed": protocol.seed,
            "precision": protocol.precision,
            "images": len(train),
        }
        file = Path(protocol.checkpoint) if protocol.checkpoint else None
        self.place = checkpoint.Place(curve=[])
        self.file = file
        if file is not None:
            self.place = checkpoint.load(file, self.job, self.model, self.optimizer, self.ema)
        # after the checkpoint, so that all processes start from the same weights
        self.net: nn.Module = DistributedDataParallel(self.model) if world > 1 else self.model
        self.criterion = recipe.criterion().to(device)
        self.mixer = recipe.mixer(classes)
        self.rates = recipe.rates(self.batch)
        self.clip = recipe.for_model(recipe.clip_grad, layout)

    def _averaged(self) -> Any:
        if self.recipe.ema is None:
            return None
        from timm.utils.model_ema import ModelEmaV3

        return ModelEmaV3(self.model, decay=self.recipe.ema)

    @property
    def done(self) -> int:
        """Steps that are done."""
        return self.place.epoch * self.per_epoch + self.place.step

    def finish(self, on_step: OnStep | None) -> ImageNetValues:
        """Train from where the run is to its end, and judge it."""
        total = self.recipe.all_epochs * self.per_epoch
        last = min(total, self.protocol.stop_after or total)
        while self.done < last:
            self._epoch(last, total, on_step)
        top1 = self._accuracy(self.model)
        averaged = None if self.ema is None else self._accuracy(self.ema.module)
        curve = self.place.curve or []
        mean = self.place.loss_sum / self.place.step if self.place.step else curve[-1][2]
        seen = self.done * self.batch
        return ImageNetValues(
            top1=top1,
            top1_ema=averaged,
            train_loss=mean,
            epochs=self.place.epoch,
            steps=self.done,
            images_seen=seen,
            seconds=self.place.seconds,
            images_per_s=seen / self.place.seconds,
            curve=curve,
            test_images=len(self.test),
            classes=self.classes,
            world_size=self.world,
            batch=self.batch,
            accumulate=self.protocol.accumulate,
            drop_path=drop_paths(self.model),
            recipe={name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self.recipe).items()},
            complete=last == total,
        )

    def _epoch(self, last: int, total: int, on_step: OnStep | None) -> None:
        """Train to the end of the epoch, or to step `last` of the whole run."""
        place, protocol = self.place, self.protocol
        self.net.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.rates[place.epoch]
        order = epoch_order(self.train, self.recipe, place.epoch, protocol.seed)
        shards = list(range(self.rank, self.parts, self.world))
        batches = shard_batches(
            self.train, order, place.epoch, self.batch, shards, self.parts, place.step, protocol.workers
        )
        while place.step < self.per_epoch and self.done < last:
            start = time.perf_counter()
            loss = self._step(batches, shards)
            if not math.isfinite(loss):
                raise Diverged("the training loss is not finite", self.done + 1)
            place.step += 1
            place.loss_sum += loss
            place.seconds += time.perf_counter() - start
            if on_step is not None:
                on_step(self.done, total)
            if place.step < self.per_epoch and self.done % (protocol.checkpoint_steps or total) == 0:
                self._save()
        if place.step == self.per_epoch:
            assert place.curve is not None
            place.curve.append((place.epoch + 1, self.rates[place.epoch], place.loss_sum / place.step))
            place.epoch, place.step, place.loss_sum = place.epoch + 1, 0, 0.0
        self._save()

    def _save(self) -> None:
        if self.file is not None and self.rank == 0:
            checkpoint.save(self.file, self.job, self.place, self.model, self.optimizer, self.ema)

    def _step(self, batches: Iterator[tuple[Tensor, Tensor]], shards: list[int]) -> float:
        """One move of all weights; the mean loss over the global batch."""
        total = torch.zeros((), device=self.device)
        self.optimizer.zero_grad(set_to_none=True)
        for shard in shards:
            pixels, labels = next(batches)
            images = pixels.to(self.device, non_blocking=True).contiguous(memory_format=self.format)
            targets = labels.to(self.device, non_blocking=True)
            # mixing draws from numpy, stochastic depth from torch
            place = (self.protocol.seed * 9_973 + self.place.epoch) * 1_000_003 + self.place.step
            seed = (place * self.parts + shard) % 2**32
            np.random.seed(seed)
            torch.manual_seed(seed)
            images, soft = self.mixer(images, targets)
            # gradients are summed over processes once, with the last shard
            waits = self.world > 1 and shard != shards[-1]
            with self.net.no_sync() if waits else nullcontext():  # type: ignore[operator]
                loss = self.criterion(self._logits(self.net, images), soft) / len(shards)
                loss.backward()
            total += loss.detach()
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        if self.ema is not None:
            self.ema.update(self.model)
        if self.world > 1:
            dist.all_reduce(total)
        return float(total) / self.world

    def _logits(self, net: nn.Module, images: Tensor) -> Tensor:
        precision = self.protocol.precision
        with devices.autocast(precision, self.device), training_kernels(precision, self.device):
            output: Tensor = net(images)
        return output.float()

    @torch.no_grad()
    def _accuracy(self, model: nn.Module) -> float:
        """Top-1 on the validation images, percent; every process judges its share."""
        model.eval()
        right = torch.zeros((), dtype=torch.int64, device=self.device)
        size = min(256, self.batch)
        for pixels, labels in validation_batches(
            self.test, size, self.rank, self.world, self.protocol.workers
        ):
            images = pixels.to(self.device).contiguous(memory_format=self.format)
            right += (self._logits(model, images).argmax(1) == labels.to(self.device)).sum()
        if self.world > 1:
            dist.all_reduce(right)
        return 100 * int(right) / len(self.test)
