"""What a reader must know beside the numbers: missing cells, uncounted operators, what seeds can resolve."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from ablate.measurements.complexity import ComplexityValues
from ablate.measurements.memory import MemoryValues
from ablate.measurements.throughput import ThroughputValues
from ablate.report.accuracy import resolvable_points
from ablate.report.numbers import plural, significant
from ablate.report.results import Results
from ablate.run.rows import AnyRecord
from ablate.runners.latency import busy_with

RECONSTRUCTION = (  # of ledgers older than the blocks' own caveats
    "key_only and LinGlo are reconstructions from the paper's abstract (Li & Liu, arXiv:2207.00188), not the "
    "authors' code."
)


def main_notes(results: Results) -> list[str]:
    """The footnotes of the main table, in the order of their weight."""
    notes = [
        missing_note(results),
        *uncounted_notes(results),
        ran_note(results),
        busy_note(results),
        *throughput_notes(results),
    ]
    notes += [judged_note(results), resolvable_note(results), kernel_note(results), *caveats(results)]
    return [note for note in notes if note]


def missing_note(results: Results) -> str | None:
    """How many planned cells have no number, and why."""
    missing = results.not_done
    if not missing:
        return None
    counts = Counter((record.kind, record.status) for record in missing)
    parts = [f"{count} {kind} {status}" for (kind, status), count in sorted(counts.items())]
    cells = plural(len(results.records), "planned cell")
    return f"{len(missing)} of {cells} have no number: {', '.join(parts)}."


def uncounted_notes(results: Results) -> list[str]:
    """One note per layout that calls operators without a counting rule."""
    notes = []
    for name in results.layouts:
        operators = uncounted(results.done("complexity", layout=name))
        if operators:
            notes.append(
                f"† {name}: operators without a counting rule, not in its MACs: {', '.join(operators)}."
            )
    return notes


def ran_note(results: Results) -> str | None:
    """Which layouts could not be counted without data."""
    ran = [
        record.layout
        for record in results.done("complexity")
        if isinstance(record.values, ComplexityValues) and record.values.ran_on == "cpu"
    ]
    if not ran:
        return None
    names = ", ".join(dict.fromkeys(ran))
    return f"Counted by a run on random images, because their code looks at values: {names}."


def uncounted(records: Iterable[AnyRecord]) -> list[str]:
    """Names of the operators that these complexity cells could not count."""
    counted = (record.values for record in records if isinstance(record.values, ComplexityValues))
    return list(dict.fromkeys(name for values in counted for name in values.uncounted))


def judged_note(results: Results) -> str | None:
    """That accuracies are no test accuracies, where networks were judged on a validation split."""
    if not any(record.at("judge") == "validation" for record in results.planned("accuracy")):
        return None
    return "Accuracies are those of a validation split of the training images; no test image took part."


def resolvable_note(results: Results) -> str | None:
    """What difference in accuracy the number of seeds can tell from chance."""
    known = resolvable_points(results)
    if known is None:
        return None
    points, seeds, comparisons = known
    return (
        f"{plural(seeds, 'seed')} with this spread of paired differences resolve "
        f"{significant(points, 2)} points in top-1 in four of five studies "
        f"({plural(comparisons, 'comparison')}, Holm). Better and worse: the paired t test at 5 % after "
        "Holm's correction; equivalent: 90 % interval within the declared margin; not resolved: neither."
    )


def kernel_note(results: Results) -> str | None:
    """Which of the two attention kernels the measuring device really uses."""
    kernels = {
        record.values.device_kernel
        for record in results.done("memory")
        if isinstance(record.values, MemoryValues)
    }
    kernels |= {
        record.values.memory.device_kernel
        for record in results.done("complexity")
        if isinstance(record.values, ComplexityValues)
    }
    named = sorted(kernel for kernel in kernels if kernel is not None)
    if not named:
        return None
    return f"Predicted memory is given for both attention kernels; this device runs: {', '.join(named)}."


def caveats(results: Results) -> list[str]:
    """What the study's blocks say about themselves; of older ledgers, by the layouts' words."""
    if results.fact.caveats:
        return list(results.fact.caveats)
    texts = [f"{name} {text}".lower() for name, text in results.texts.items()]
    return [RECONSTRUCTION] if any(re.search(r"key.?only|linglo", text) for text in texts) else []


def timed(results: Results) -> list[ThroughputValues]:
    """The values of all finished throughput cells."""
    return [
        record.values for record in results.done("throughput") if isinstance(record.values, ThroughputValues)
    ]


def busy_note(results: Results) -> str | None:
    """A warning when other work wanted the cores while times were measured."""
    busy = [values for values in timed(results) if values.busy]
    if not busy:
        return None
    others = max((values.others for values in busy if values.others is not None), default=None)
    load = max(values.load_average or 0.0 for values in busy)
    return (
        f"The machine was busy during {plural(len(busy), 'timing cell')} ({busy_with(others, load)}): "
        "times may be too long; ratios suffer less."
    )


def throughput_notes(results: Results) -> list[str]:
    """What the latencies lack: an interval where one process measured, the baseline where it failed."""
    values = timed(results)
    notes = []
    if any(value.low_ms is None for value in values):
        notes.append(
            "Latencies without ± come from one process and have no error; their ratios prove nothing."
        )
    others = sorted({value.ratio_to for value in values if value.ratio_to not in ("", results.baseline)})
    if others:
        notes.append(f"The baseline was not timed; the ratios are to {', '.join(others)}.")
    return notes
