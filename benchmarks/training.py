"""How fast training is: images per core-second, beside the loop that one would write otherwise.

    python benchmarks/training.py [--images 2560] [--rounds 2] [--profile]

The plain loop: the same network in float32, a `DataLoader` that makes PIL images, crops, mirrors and
normalises them one by one, and `torch.optim.AdamW`. Ours: `ablate.runners.accuracy.train` as studies use it,
with the same augmentation. All run in one process on one thread in the order A B C ... C B A; seconds are
processor time. What bounds them is told by the speed of a matrix product in both precisions. The steps of the
three Muons are compared on the network's own matrices.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ablate import Layout
from ablate.data import Dataset, TensorSplit, load
from ablate.runners.accuracy import AccuracyProtocol, train
from ablate.runners.muon import Muon
from ablate.runners.provenance import load_average, processor_name
from ablate.runners.recipes import muon_parameters

BATCH = 128
VARIANTS = {
    "short, bf16": {"recipe": "short", "precision": "bf16"},
    "adamw, bf16": {"recipe": "adamw", "precision": "bf16"},
    "adamw, fp32": {"recipe": "adamw", "precision": "fp32"},
}


def hybrid() -> Layout:
    """A network of 0.27 M parameters for 28 x 28 pixels: convolution and key-only attention in each stage."""
    return Layout(
        "alternate(conv, key_only)",
        stem="overlap(stride=2)",
        widths=[32, 64, 96],
        depths=[2, 2, 2],
        head_dim=16,
        mlp_ratio=2,
    )


class ImageByImage(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Images as torchvision's data sets give them: PIL, then transforms."""

    def __init__(self, split: TensorSplit, dataset: Dataset):
        from torchvision import transforms

        self.images, self.labels = split.images.squeeze(1).numpy(), split.labels.tolist()
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(28, padding=3, padding_mode="reflect"),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(dataset.mean, dataset.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image

        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


def plain(dataset: Dataset, images: int) -> float:
    """Images per core-second of the plain loop."""
    assert isinstance(dataset.train, TensorSplit)
    source = ImageByImage(dataset.train, dataset)
    loader = torch.utils.data.DataLoader(source, BATCH, shuffle=True, drop_last=True)
    model = hybrid().build(len(dataset.classes), dataset.channels).to(memory_format=torch.contiguous_format)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    seen, start = 0, time.process_time()
    for pixels, labels in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(pixels), labels, label_smoothing=0.1).backward()
        optimizer.step()
        seen += len(labels)
        if seen >= images:
            break
    return seen / (time.process_time() - start)


def ours(dataset: Dataset, images: int, variant: str) -> float:
    """Images per core-second of `train`, by the row that it leaves."""
    protocol = AccuracyProtocol(images=images, batch=BATCH, augment=True, **VARIANTS[variant])  # type: ignore[arg-type]
    rate = train(lambda: hybrid().build(len(dataset.classes), dataset.channels), dataset, protocol)
    assert rate.images_per_core_s is not None
    return rate.images_per_core_s


def muon_steps(rounds: int = 15) -> dict[str, float]:
    """Milliseconds of one step of each Muon on the network's matrices, the least of interleaved rounds."""
    import timm.optim

    model = hybrid().build(10, 1)
    chosen = muon_parameters(model)

    def copies(flat: bool) -> list[nn.Parameter]:
        made = []
        for parameter in chosen:
            copy = parameter.detach().clone()
            made.append(nn.Parameter(copy.flatten(1) if flat else copy))
            made[-1].grad = torch.randn_like(made[-1])
        return made

    options: dict[str, Any] = {"lr": 0.01, "momentum": 0.95, "weight_decay": 0.0}
    optimizers: dict[str, torch.optim.Optimizer] = {
        "ours": Muon(copies(False), **options),
        "torch.optim (flattened)": torch.optim.Muon(copies(True), **options),
        "timm.optim": timm.optim.Muon(
            copies(False), **options, nesterov=True, ns_coefficients="original", normalize_spatial=False
        ),
    }
    least = dict.fromkeys(optimizers, float("inf"))
    for _ in range(rounds):
        for name, optimizer in optimizers.items():
            start = time.process_time()
            optimizer.step()
            least[name] = min(least[name], 1000 * (time.process_time() - start))
    return least


def profile(dataset: Dataset) -> str:
    """Where the time of training goes, by operator: `adamw, fp32`."""
    with torch.profiler.profile() as seen:
        ours(dataset, 10 * BATCH, "adamw, fp32")
    return str(seen.key_averages().table(sort_by="self_cpu_time_total", row_limit=20))


def products(rounds: int = 15) -> dict[str, float]:
    """GFLOP/s of a linear layer of the first stage, by precision, the best of the rounds."""
    rates = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        tokens = torch.randn(BATCH * 14 * 14, 32).to(dtype)
        weight = torch.randn(64, 32).to(dtype)
        least = float("inf")
        for _ in range(rounds):
            start = time.process_time()
            F.linear(tokens, weight)
            least = min(least, time.process_time() - start)
        rates[name] = 2e-9 * tokens.numel() * len(weight) / least
    return rates


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when the best of ours is not twice as fast as the plain loop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=2560)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    dataset = load("fashion-mnist")
    assert isinstance(dataset.test, TensorSplit)
    few = TensorSplit(dataset.test.images[:BATCH], dataset.test.labels[:BATCH])  # testing is not timed
    dataset = replace(dataset, test=few)
    parameters = sum(p.numel() for p in hybrid().build(10, 1).parameters())
    print(f"{processor_name()}, torch {torch.__version__}, load {load_average()}, {parameters:,} parameters")
    if options.profile:
        print(profile(dataset))
    runs: dict[str, Callable[[], float]] = {"plain loop": lambda: plain(dataset, options.images)}
    for variant in VARIANTS:
        runs[variant] = lambda variant=variant: ours(dataset, options.images, variant)  # type: ignore[misc]
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for round_number in range(options.rounds):
        for name in list(runs) if round_number % 2 == 0 else reversed(list(runs)):
            rates[name].append(runs[name]())
    base = rates["plain loop"]
    best = 0.0
    print(f"{'':24} images/core-s   ratio to the plain loop")
    for name, values in rates.items():
        ratio = statistics.median(value / other for value, other in zip(values, base, strict=True))
        best = max(best, ratio)
        print(f"{name:24} {statistics.median(values):13.0f}   {ratio:.2f}")
    print("\na matrix product of the network, GFLOP/s")
    for name, rate in products().items():
        print(f"{name:24} {rate:13.0f}")
    print("\none step of Muon, ms of processor time")
    for name, milliseconds in muon_steps().items():
        print(f"{name:24} {milliseconds:13.1f}")
    return 0 if best >= 2 else 1


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
