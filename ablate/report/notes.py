"""What a reader must know beside the numbers: missing cells, uncounted operators, what seeds can resolve."""

from __future__ import annotations

import re
from collections import Counter

import pandas as pd

from ablate.report.accuracy import resolvable_points
from ablate.report.numbers import plural, significant
from ablate.report.results import Results
from ablate.runners.latency import busy_with

RECONSTRUCTION = (
    "key_only and LinGlo are reconstructions from the paper's abstract (Li & Liu, arXiv:2207.00188), not the "
    "authors' code."
)


def main_notes(results: Results) -> list[str]:
    """The footnotes of the main table, in the order of their weight."""
    notes = [missing_note(results), *uncounted_notes(results), busy_note(results), *throughput_notes(results)]
    notes += [resolvable_note(results), kernel_note(results)]
    notes.append(RECONSTRUCTION if uses_reconstruction(results) else None)
    return [note for note in notes if note]


def missing_note(results: Results) -> str | None:
    """How many planned cells have no number, and why."""
    missing = results.not_done
    if missing.empty:
        return None
    counts = Counter(zip(missing["kind"], missing["status"], strict=True))
    parts = [f"{count} {kind} {status}" for (kind, status), count in sorted(counts.items())]
    return (
        f"{len(missing)} of {plural(len(results.frame), 'planned cell')} have no number: {', '.join(parts)}."
    )


def uncounted_notes(results: Results) -> list[str]:
    """One note per layout that calls operators without a counting rule."""
    done = results.done("complexity")
    notes = []
    for name in results.layouts:
        operators = uncounted(done[done["layout"] == name]) if len(done) else []
        if operators:
            notes.append(
                f"† {name}: operators without a counting rule, not in its MACs: {', '.join(operators)}."
            )
    return notes


def uncounted(rows: pd.DataFrame) -> list[str]:
    """Names of the operators that these complexity rows could not count."""
    names = (str(name) for values in rows["values"] for name in values.get("uncounted") or ())
    return list(dict.fromkeys(names))


def resolvable_note(results: Results) -> str | None:
    """What difference in accuracy the number of seeds can tell from chance."""
    found = resolvable_points(results)
    if found is None:
        return None
    points, seeds = found
    return (
        f"{plural(seeds, 'seed')} with this spread resolve differences of {significant(points, 2)} points in "
        "top-1 (95 %, pooled spread); not resolved: the 95 % interval of the paired difference holds 0."
    )


def kernel_note(results: Results) -> str | None:
    """Which of the two attention kernels the measuring device really uses."""
    values = [*results.done("memory").get("values", []), *_memories(results)]
    kernels = sorted({str(value["device_kernel"]) for value in values if value.get("device_kernel")})
    if not kernels:
        return None
    return f"Predicted memory is given for both attention kernels; this device runs: {', '.join(kernels)}."


def uses_reconstruction(results: Results) -> bool:
    """Whether a layout uses key-only attention or is called LinGlo."""
    texts = [f"{name} {text}".lower() for name, text in results.texts.items()]
    return any(re.search(r"key.?only|linglo", text) for text in texts)


def busy_note(results: Results) -> str | None:
    """A warning when other work wanted the cores while times were measured."""
    busy = [values for values in results.done("throughput").get("values", []) if values.get("busy")]
    if not busy:
        return None
    others = max((values["others"] for values in busy if values.get("others") is not None), default=None)
    load = max((float(values.get("load_average") or 0.0) for values in busy), default=0.0)
    return (
        f"The machine was busy during {plural(len(busy), 'timing cell')} ({busy_with(others, load)}): "
        "times may be too long; ratios suffer less."
    )


def throughput_notes(results: Results) -> list[str]:
    """What the latencies lack: an interval where one process measured, the baseline where it failed."""
    values = list(results.done("throughput").get("values", []))
    notes = []
    if any(value.get("low_ms") is None for value in values):
        notes.append(
            "Latencies without ± come from one process and have no error; their ratios prove nothing."
        )
    others = sorted(
        {str(v["ratio_to"]) for v in values if v.get("ratio_to") not in (None, "", results.baseline)}
    )
    if others:
        notes.append(f"The baseline was not timed; the ratios are to {', '.join(others)}.")
    return notes


def _memories(results: Results) -> list[dict[str, object]]:
    return [values.get("memory") or {} for values in results.done("complexity").get("values", [])]
