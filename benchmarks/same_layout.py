"""A/A: the same layout compared to itself. What is called different here is called so by mistake.

    python benchmarks/same_layout.py accuracy --pairs 20        # on digits; about a minute a core
    python benchmarks/same_layout.py latency --times 20

`accuracy` trains one layout with two disjoint sets of seeds, pairs them, and tests the difference. `latency`
times two copies of one layout in one throughput run, so many times, and counts the resolved differences, and
those beyond 1 %.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from ablate.measurements.throughput import ThroughputValues
from ablate.report.comparisons import comparison_hint
from ablate.run.execute import run_study
from ablate.run.executors.base import Setup, make_executor
from ablate.run.ledger import FILE, Ledger
from ablate.statistics.compare import Comparison, compare, compare_ratios
from ablate.study.load import parse_study

STUDY = """\
input: {resolution: 28, channels: 1, classes: 10}
defaults: {stem: overlap(stride=2), widths: [32, 64], depths: [1, 1], head_dim: 16, mlp_ratio: 2}
layouts: {a: "alternate(conv, key_only)", b: "alternate(conv, key_only)"}
"""


def accuracy(pairs: int) -> Comparison:
    """The paired difference of one layout's top-1 on digits under seeds 0, 1, ... and under the next ones."""
    text = STUDY.replace(', b: "alternate(conv, key_only)"', "")
    study = parse_study(
        text + f"measure: {{accuracy: {{dataset: digits, resolution: 16, epochs: 10, seeds: {2 * pairs}}}}}\n"
    )
    with TemporaryDirectory() as folder, Ledger(Path(folder) / FILE) as ledger:
        with make_executor("local", Setup(None, None, Path(folder))) as executor:
            run_study(study, ledger, executor)
        top1 = {int(record.at("seed")): record.values.top1 for record in ledger.records() if record.values}
    halves = [{seed % pairs: top1[seed] for seed in top1 if seed // pairs == half} for half in (0, 1)]
    return compare(*halves)


def latency(times: int) -> list[Comparison]:
    """The latency ratio of two copies of one layout, so many times."""
    study = parse_study(STUDY + "measure: {throughput: {batch: 8, processes: 5, rounds: 2, seconds: 0.3}}\n")
    comparisons = []
    for _ in range(times):
        with TemporaryDirectory() as folder, Ledger(Path(folder) / FILE) as ledger:
            with make_executor("local", Setup(1, None, Path(folder))) as executor:
                run_study(study, ledger, executor)
            values = next(
                record.values
                for record in ledger.records()
                if record.layout == "b" and isinstance(record.values, ThroughputValues)
            )
        ratios = dict(enumerate(values.process_ratios))
        comparisons.append(compare_ratios(ratios, dict.fromkeys(ratios, 1.0)))
    return comparisons


def main() -> None:
    """Run one of the two and print what was called different."""
    parser = argparse.ArgumentParser(description="Compare a layout to itself.")
    parser.add_argument("what", choices=("accuracy", "latency"))
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--times", type=int, default=20)
    given = parser.parse_args()
    if given.what == "accuracy":
        comparison = accuracy(given.pairs)
        print(f"{comparison.mean:+.3f} points, {comparison.verdict} ({comparison_hint(comparison)})")
        return
    ratios = latency(given.times)
    for ratio in ratios:
        print(f"{ratio.mean:.4f} [{ratio.low:.4f}, {ratio.high:.4f}] {ratio.verdict}")
    beyond = sum(ratio.resolved and abs(ratio.mean - 1) > 0.01 for ratio in ratios)
    print(f"{sum(ratio.resolved for ratio in ratios)} of {len(ratios)} resolved, {beyond} of them beyond 1 %")


if __name__ == "__main__":
    main()
