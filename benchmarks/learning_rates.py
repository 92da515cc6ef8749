"""Which learning rates the recipes should have by default, chosen on a validation split of Fashion-MNIST.

    python benchmarks/learning_rates.py [--images 9600] [--recipes short] [--rates 0.03 0.06] [--out FILE]

The test images take no part: a tenth of the training images, stratified, judges. For every recipe the rate
whose mean accuracy over the layouts is best is the default; it must not be at the edge of the grid. One
budget, one seed, and two layouts that differ in their mixers.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from ablate import Layout
from ablate.data import load
from ablate.measurements.accuracy import edge
from ablate.runners.accuracy import AccuracyProtocol, tune
from ablate.runners.provenance import processor_name
from ablate.runners.recipes import RECIPES

LAYOUTS = ("alternate(conv, key_only)", "alternate(conv, softmax)")
GRIDS = {"short": (0.0075, 0.015, 0.03, 0.06, 0.12), "adamw": (0.001, 0.002, 0.004, 0.008, 0.016)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train every candidate, print its line, and say which rate is best; 1 when it is at the grid's edge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=9_600, help="of one run's budget")
    parser.add_argument("--subset", type=int, default=20_000, help="training images; a tenth of them judges")
    parser.add_argument("--rates", nargs="+", type=float, help="instead of the recipe's grid")
    parser.add_argument("--layouts", nargs="+", default=list(LAYOUTS))
    parser.add_argument("--recipes", nargs="+", default=list(GRIDS), choices=list(GRIDS))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    dataset = load("fashion-mnist", subset=options.subset)
    lines = [f"# {processor_name()}, torch {torch.__version__}, validation split of fashion-mnist"]
    lines.append("recipe,lr,layout,images,validation_top1,validation_loss")
    chosen: dict[str, float] = {}
    grids: dict[str, tuple[float, ...]] = {}
    for recipe in options.recipes:
        grid = tuple(options.rates or GRIDS[recipe])
        grids[recipe] = grid
        scores: dict[float, list[float]] = {lr: [] for lr in grid}
        for text in options.layouts:
            layout = Layout(text, stem="overlap", widths=[48, 96], depths=[2, 2], head_dim=16, mlp_ratio=2)
            protocol = AccuracyProtocol(images=options.images, recipe=recipe, tune_lr=grid)
            start = time.process_time()
            for candidate in tune(lambda layout=layout: layout.build(10, 1), dataset, protocol):  # type: ignore[misc]
                scores[candidate.lr].append(candidate.top1 or 0.0)
                top1 = "diverged" if candidate.top1 is None else f"{candidate.top1:.2f}"
                loss = "" if candidate.loss is None else f"{candidate.loss:.4f}"
                lines.append(f'{recipe},{candidate.lr},"{text}",{options.images},{top1},{loss}')
                print(lines[-1], flush=True)
            print(f"# {time.process_time() - start:.0f} core-seconds", flush=True)
        chosen[recipe] = max(grid, key=lambda lr: statistics.mean(scores[lr]))
        at = edge(grid, chosen[recipe])
        note = f", at the {at} end of the grid" if at else ""
        lines.append(f"# {recipe}: best {chosen[recipe]}{note}; default {RECIPES[recipe].lr}")
        print(lines[-1], flush=True)
    if options.out is not None:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return int(any(edge(grids[recipe], lr) for recipe, lr in chosen.items()))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
