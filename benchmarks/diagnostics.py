"""Which token mixer solves which diagnostic task, beside what theory predicts.

    python benchmarks/diagnostics.py [--tasks reach flag] [--mixers conv softmax] [--seed 0] [--out FILE]

Every network is one stage of two MetaFormer blocks of width 64 on patches of 4 x 4 pixels, with a plain MLP,
trained in float32 on one thread with the recipe `short`. Nothing but the mixer differs. A prediction is an
interval for the accuracy in percent of one difficulty; it comes from what the operator can see, not from a
measurement, and where it fails the line says so.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ablate import Layout
from ablate.data import load
from ablate.runners.accuracy import AccuracyProtocol, AccuracyValues, train
from ablate.runners.provenance import git_state, processor_name
from ablate.runners.token_head import network_for

MIXERS = ("identity", "pool", "conv", "window(size=7)", "linear", "key_only", "softmax")
BATCH = 32


@dataclass(frozen=True)
class Task:
    """How a task is posed here: as a study would write it, and how many images a run sees."""

    dataset: str
    images: int


TASKS = {
    "reach": Task("reach(test_images=400)", 6_144),
    "flag": Task("flag(test_images=400)", 4_096),
    "texture": Task("texture(test_images=1000)", 2_048),
    "recall": Task("recall(test_images=500)", 4_096),
    "count": Task("count(test_images=1000)", 6_144),
    "position": Task("position(test_images=1000)", 8_192),
    "conflict": Task("conflict(test_images=450)", 6_144),
}

Interval = tuple[float, float]
SOLVED: Interval = (95.0, 100.0)


def about(value: float, margin: float = 2.5) -> Interval:
    """An interval around a value that theory gives exactly; the margin is the scatter of test images."""
    return (value - margin, value + margin)


def predicted(task: str, mixer: str) -> dict[str, Interval]:
    """By difficulty, the interval in which theory sees a mixer; empty where it has nothing to say."""
    name = mixer.partition("(")[0]
    return {
        "reach": _reach, "flag": _flag, "texture": _texture, "recall": _recall, "count": _count,
        "position": _position, "conflict": _conflict,
    }[task](name)  # fmt: skip


def _reach(name: str) -> dict[str, Interval]:
    """Two 3 x 3 convolutions see two columns; 7 x 7 windows of a row of 16 begin at columns 0, 7 and 14."""
    distances, size, chance = (1, 2, 3, 8), 16, 100 / 6
    if name == "softmax":
        return {f"d={d}": SOLVED for d in distances}
    if name == "key_only":
        return {f"d={d}": (chance - 1.5, 40.0) for d in distances}
    if name == "conv":
        return {f"d={d}": SOLVED if d <= 2 else about(chance) for d in distances}
    if name == "identity":
        return {f"d={d}": about(chance) for d in distances}
    if name == "pool":
        return {f"d={d}": about(chance) for d in distances if d > 2}
    if name == "window":
        shares = {d: sum(c // 7 == (c + d) // 7 for c in range(size - d)) / (size - d) for d in distances}
        return {f"d={d}": about(100 * share + (1 - share) * chance) for d, share in shares.items()}
    return {}


def _flag(name: str) -> dict[str, Interval]:
    """Global operators see the flag, even as a mean; local ones guess which of two readings holds."""
    interval = SOLVED if name in ("softmax", "key_only", "linear") else about(50, 4)
    return {"d>=8": interval, "d>=12": interval}


def _texture(name: str) -> dict[str, Interval]:
    return {"4 px": SOLVED, "8 px": SOLVED if name != "identity" else (80.0, 100.0)}


def _recall(name: str) -> dict[str, Interval]:
    """Softmax compares each question with every pair. One mean of the image has room for a few pairs at most;
    local operators know what lies near a question: a 5 x 5 neighbourhood or a window of a grid of 12 x 12."""
    groups = {"2 pairs": 2, "8 pairs": 8, "24 pairs": 24}
    chance = 100 / 8
    if name == "softmax":
        return dict.fromkeys(groups, SOLVED)
    if name == "identity":
        return dict.fromkeys(groups, about(chance))
    if name == "key_only":
        return {"2 pairs": (60.0, 100.0), "8 pairs": (25.0, 70.0), "24 pairs": (chance, 40.0)}
    if name == "linear":
        return {"2 pairs": SOLVED, "8 pairs": (70.0, 100.0)}
    seen = {"conv": _seen_nearby(12, 2), "pool": _seen_nearby(12, 2), "window": _seen_in_window(12, 7)}[name]
    return dict.fromkeys(groups, (chance - 2.5, 100 * seen + (1 - seen) * chance + 2.5))


def _seen_nearby(size: int, reach: int) -> float:
    """Share of the other cells of a grid within `reach` rows and columns, averaged over all cells."""
    line = [sum(abs(a - b) <= reach for b in range(size)) for a in range(size)]
    return sum(a * b - 1 for a in line for b in line) / (size**2 * (size**2 - 1))


def _seen_in_window(size: int, window: int) -> float:
    """Share of the other cells of a grid within the same window, averaged over all cells."""
    line = [sum(a // window == b // window for b in range(size)) for a in range(size)]
    return sum(a * b - 1 for a in line for b in line) / (size**2 * (size**2 - 1))


def _count(name: str) -> dict[str, Interval]:
    """The head's mean over tokens counts for every mixer; few dots are told apart most easily."""
    return {"0 dots": SOLVED, "1 dots": (90.0, 100.0), "9 dots": (80.0, 100.0)}


def _position(name: str) -> dict[str, Interval]:
    """Operators that know no places are at chance; a padded convolution knows the border."""
    if name in ("identity", "softmax", "linear"):
        return {"all": about(100 / 16)}
    return {"all": (12.0, 100.0)} if name in ("conv", "window") else {}


def _conflict(name: str) -> dict[str, Interval]:
    """Global operators go by the outline, local ones by what fills it: shape bias above and below a half."""
    return {"shape bias": (50.0, 100.0) if name in ("softmax", "key_only", "linear") else (0.0, 50.0)}


def measure(task: str, mixer: str, seed: int = 0, images: int | None = None) -> AccuracyValues:
    """Train one mixer on one task."""
    dataset = load(TASKS[task].dataset)
    layout = Layout(mixer, stem="patchify", widths=[64], depths=[2], head_dim=16, mlp_ratio=2, ffn="mlp")
    protocol = AccuracyProtocol(images=images or TASKS[task].images, batch=BATCH, precision="fp32", seed=seed)
    return train(lambda: network_for(layout, dataset), dataset, protocol)


def scores(result: AccuracyValues) -> dict[str, float]:
    """The accuracy of every difficulty, of all together, and the shape bias where there is one."""
    bias = {} if result.shape_bias is None else {"shape bias": result.shape_bias}
    return {"all": result.top1, **result.groups, **bias}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all pairs, print them as they come, and write them to a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--mixers", nargs="+", default=list(MIXERS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    commit, dirty = git_state(Path(__file__).parent)
    revision = f"commit {(commit or 'unknown')[:10]}{' with changes' if dirty else ''}"
    lines = [f"# {processor_name()}, torch {torch.__version__}, {revision}, seed {options.seed}"]
    lines.append("task,mixer,difficulty,top1,predicted_low,predicted_high,held,images,core_seconds")
    print("\n".join(lines), flush=True)
    failed = 0
    for task in options.tasks:
        for mixer in options.mixers:
            start = time.process_time()
            result = measure(task, mixer, options.seed)
            spent = time.process_time() - start
            intervals = predicted(task, mixer)
            for difficulty, score in scores(result).items():
                low, high = intervals.get(difficulty, (None, None))
                held = "" if low is None or high is None else "yes" if low <= score <= high else "NO"
                failed += held == "NO"
                shown = ["" if bound is None else f"{bound:.1f}" for bound in (low, high)]
                fields = [task, mixer, difficulty, f"{score:.1f}", *shown, held]
                lines.append(",".join([*fields, str(result.images_seen), f"{spent:.1f}"]))
                print(lines[-1], flush=True)
            if options.out is not None:
                options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{failed} predictions failed", flush=True)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
