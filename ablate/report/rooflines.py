"""Roofline times of a study, and the machine's peak behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ablate.report.numbers import plural, scaled, significant
from ablate.report.results import Results

_TIMED = ("batch", "threads", "device")


class Rooflines:
    """The least time in ms of one forward pass of a timed batch, by layout and resolution."""

    def __init__(self, results: Results):
        self._times: dict[tuple[str, int], float] = {}
        self._condition: dict[str, Any] = {}
        for record in results.done("scaling").to_dict("records"):
            timed = record["values"]["timed"]
            self._condition = {"batch": timed["batch"]} | {key: record[key] for key in ("threads", "device")}
            for resolution, time in zip(timed["resolutions"], timed["roofline_ms"], strict=True):
                if time is not None:
                    self._times[str(record["layout"]), int(resolution)] = float(time)

    def __bool__(self) -> bool:
        return bool(self._times)

    def of(self, row: Mapping[Any, Any]) -> float:
        """The roofline time of a timed row, in ms; NaN where there is none.

        It is that of an uncompiled fp32 forward pass with the threads that the peak was measured with.
        """
        condition = {key: row.get(key) for key in _TIMED}
        plain = (row.get("mode"), row.get("precision"), bool(row.get("compile")))
        if plain != ("inference", "fp32", False) or condition != self._condition:
            return float("nan")
        return self._times.get((str(row["layout"]), int(row["resolution"])), float("nan"))


def roofline_note(results: Results) -> str | None:
    """What roofline time is, and the peak that it was worked out with."""
    peaks = {str(values["peak"]): values["peak"] for values in results.done("scaling").get("values", ())}
    if not peaks:
        return None
    return (
        "Roofline time is the sum over the layout's parts of max(MACs / peak arithmetic, bytes / peak "
        "bandwidth), every operator's operands going to memory. Measured time can be shorter where they stay "
        f"in a cache. {' '.join(_peak(peak) for peak in peaks.values())}"
    )


def _peak(peak: Mapping[str, Any]) -> str:
    load = peak.get("load_average")
    busy = f", load average {significant(float(load), 2)} at the time" if load is not None else ""
    return (
        f"Measured peak of {peak.get('name', peak['device'])} with {plural(int(peak['threads']), 'thread')}, "
        f"fp32: {scaled(float(peak['macs_per_second']), 'MACs/s')} and "
        f"{scaled(float(peak['bytes_per_second']), 'B/s')}{busy}."
    )
