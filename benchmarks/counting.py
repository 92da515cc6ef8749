"""How fast layouts are counted: by remembered parts, beside fvcore and PyTorch's counter on whole models.

    python benchmarks/counting.py [--layouts 2000] [--sample 12] [--seed 0]

Everything runs in one process on one thread. *Cold* starts with an empty memory of parts, *warm* counts the
same again. The other tools get a sample of the same layouts, built before the clock starts, and the rules
that they lack; their answers must be the same integers, or no rate is reported.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import random
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

from ablate import Layout
from ablate.cost import count
from ablate.cost.audit import with_fvcore, with_torch
from ablate.cost.audit.step import random_input
from ablate.cost.audit.untouched import silenced, untouched
from ablate.cost.layouts import layout_cost
from ablate.cost.parts import forget
from ablate.runners.provenance import git_state, load_average, processor_name

MIXERS = ("key_only", "softmax", "sra", "window(size=7)", "linear", "conv", "pool")
WIDTHS = (range(32, 97, 16), range(64, 193, 16), range(128, 385, 16), range(256, 641, 16))
DEPTHS = ((1, 3), (1, 4), (2, 8), (1, 3))
RESOLUTIONS = (160, 224, 320, 448)
FURTHER_PASSES = 5
GOALS = {"cold": 10, "warm": 100}

Case = tuple[Layout, int]


def random_layouts(number: int, seed: int) -> list[Layout]:
    """Layouts of four stages: each stage with its own width, depth and cycle of one or two mixers."""
    draw = random.Random(seed)
    layouts = []
    for index in range(number):
        stages = []
        for low, high in DEPTHS:
            cycle = draw.sample(MIXERS, draw.randint(1, 2))
            depth = draw.randint(low, high)
            stages.append(" ".join(cycle[i % len(cycle)] for i in range(depth)))
        widths = [draw.choice(grid) for grid in WIDTHS]
        layouts.append(Layout(stages=" | ".join(stages), name=f"random-{index}", widths=widths))
    return layouts


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 if a tool's answer differs from the count."""
    parser = argparse.ArgumentParser(description="Layouts counted per second.")
    parser.add_argument("--layouts", type=int, default=2000, help="random layouts, each at four resolutions")
    parser.add_argument("--sample", type=int, default=12, help="layouts that the other tools count")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(environment(), flush=True)

    start = time.perf_counter()
    layouts = random_layouts(options.layouts, options.seed)
    print(f"{len(layouts)} random layouts written in {time.perf_counter() - start:.1f} s", flush=True)
    cases = [(layout, resolution) for layout in layouts for resolution in RESOLUTIONS]

    timed([(Layout("conv", widths=[16], depths=[1]), 32)])  # imports are not counting
    forget()
    memory = [resident_mb()]
    cold, answers = timed(cases)
    memory.append(resident_mb())
    warm, again = timed(cases)
    if answers != again:
        print("warm answers differ from cold ones")
        return 1
    for _ in range(FURTHER_PASSES):
        timed(cases)
        memory.append(resident_mb())
    rates = {"cold": len(cases) / cold, "warm": len(cases) / warm}
    for state, rate in rates.items():
        print(f"ablate, {state}: {rate:10.1f} counts/s   ({len(cases)} counts)", flush=True)
    grown = ", ".join(f"{after - before:+.1f}" for before, after in pairwise(memory[1:]))
    print(f"memory: {memory[1] - memory[0]:+.1f} MB for all parts; then MB in each further pass: {grown}")

    sample = random.Random(options.seed + 1).sample(cases, min(options.sample, len(cases)))
    others, unequal = other_tools(sample, dict(zip(cases, answers, strict=True)))
    if unequal:
        print("answers differ, no rate is reported:", *unequal, sep="\n  ")
        return 1
    print(f"equal answers of all tools on a sample of {len(sample)}; each on one whole model at a time:")
    for tool, rate in others.items():
        ratios = ", ".join(f"ablate {state} {own / rate:,.0f} x" for state, own in rates.items())
        print(f"  {tool:32s} {rate:8.2f} counts/s   {ratios}")
    for state, goal in GOALS.items():
        reached = rates[state] / others["fvcore"]
        verdict = "reached" if reached >= goal else "MISSED"
        print(f"goal, {state}: {goal} x the rate of fvcore, {verdict} ({reached:,.0f} x)")
    return 0


def timed(cases: Sequence[Case]) -> tuple[float, list[tuple[int, int]]]:
    """Seconds to count all cases, and (MACs, parameters) of each."""
    start = time.perf_counter()
    answers = []
    for layout, resolution in cases:
        cost = layout_cost(layout, resolution)
        answers.append((cost.macs, cost.params))
    return time.perf_counter() - start, answers


def other_tools(
    sample: Sequence[Case], answers: dict[Case, tuple[int, int]]
) -> tuple[dict[str, float], list[str]]:
    """Counts per second of each tool on whole models, and the answers that are not ours."""
    seconds: dict[str, float] = {}
    unequal: list[str] = []
    for layout, resolution in sample:
        model = layout.build(1000).eval()
        for tool, ask in TOOLS.items():
            with silenced(), untouched(model):
                x = random_input(model, (3, resolution, resolution))
                start = time.perf_counter()
                macs = ask(model, x)
                seconds[tool] = seconds.get(tool, 0.0) + time.perf_counter() - start
            if macs != answers[layout, resolution][0]:
                unequal.append(
                    f"{layout.text} at {resolution}: {tool} {macs}, ablate {answers[layout, resolution]}"
                )
    return {tool: len(sample) / total for tool, total in seconds.items()}, unequal


TOOLS: dict[str, Callable[[nn.Module, torch.Tensor], int]] = {
    "fvcore": lambda model, x: with_fvcore.read(model, x, False, True).macs,
    "FlopCounterMode": lambda model, x: with_torch.read(model, x, False, True).macs,
    "ablate.cost.count, whole model": lambda model, x: count(model, (x.shape[2], x.shape[3])).macs,
}


def environment() -> str:
    """What this ran on: commit, dirty flag, processor, versions, load."""
    commit, dirty = git_state(Path(__file__).resolve().parent)
    load = load_average()
    return (
        f"commit {(commit or 'unknown')[:10]}{' (dirty)' if dirty else ''}, {processor_name()}, "
        f"torch {torch.__version__}, fvcore {with_fvcore.version()}, Python {platform.python_version()}, "
        f"one thread{'' if load is None else f', load {load:.1f} on {os.cpu_count()} cores'}"
    )


def resident_mb() -> float:
    """Resident memory of this process in MB; 0 where the system does not tell it in /proc."""
    gc.collect()
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 0.0
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    sys.exit(main())
